"""Measures the cost table: every kernel of every back end against a reference kernel."""

from __future__ import annotations

import datetime
import platform
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from cpuinfo import get_cpu_info

import coinfer_kernels
from coinfer.cluster.cost_table import CostTable, KernelCost
from coinfer_kernels import backend

SIZES: Final = (64, 65536)
"""A call costs what the small size costs; an element what the large one adds."""

CHANNELS: Final = 16
"""Of the feature maps that are encoded: what a scale per channel costs lies in the element."""

ROUNDS: Final = 41
SAMPLE_NS: Final = 200_000
"""Shortest sample: a thousand times what reading the clock costs."""

REFERENCE_MACS: Final = 16 * 32 * 9 * 14 * 14


def calibrate(path: Path | None = None, rounds: int = ROUNDS) -> CostTable:
    """Measure and, where a path is given, write the cost table of this machine.

    The reference kernel (a 3×3 convolution from 16 to 32 channels on 14×14, one thread) is timed
    before every kernel in random order; the table holds medians of the ratios, which are steady
    on a shared machine where absolute times are not. How fast the reference kernel itself was is
    the one absolute figure: for devices whose speed is stated as a multiple of it.

    Parameters
    ----------
    path : Path, optional
    rounds : int
        Measurements of each kernel and size.
    """
    reference = _reference()
    calls = {
        (name, operation, size): call
        for name in backend.available()
        for operation, size, call in _operations(backend.load(name))
    }
    ratios: dict[tuple[str, str, int], list[float]] = {key: [] for key in calls}
    references_ns: list[float] = []
    order = list(calls)
    shuffle = random.Random(0)
    for _ in range(rounds):
        shuffle.shuffle(order)
        for key in order:
            references_ns.append(_time_ns(reference))
            ratios[key].append(REFERENCE_MACS * _time_ns(calls[key]) / references_ns[-1])
    kernels: dict[str, dict[str, KernelCost]] = {}
    small, large = SIZES
    for name, operation, size in sorted(calls):
        if size == small:
            a, b = ratios[name, operation, small], ratios[name, operation, large]
            kernels.setdefault(name, {})[operation] = _line(a, b)
    table = CostTable(
        machine=str(get_cpu_info().get("brand_raw", platform.machine())),
        isa=str(coinfer_kernels.info()["isa"]),
        measured=datetime.datetime.now(datetime.UTC).date().isoformat(),
        reference="conv2d 16->32, 3x3, 14x14, float32, one thread (torch)",
        kernels=kernels,
        reference_macs_per_s=round(REFERENCE_MACS * 1e9 / statistics.median(references_ns)),
    )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")
    return table


def _reference() -> Callable[[], object]:
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Conv2d(16, 32, 3, padding=1, bias=False).eval()
    x = torch.zeros(1, 16, 14, 14)

    def run() -> object:
        with torch.inference_mode():
            return layer(x)

    run()
    return run


def _operations(kernels: backend.Backend) -> list[tuple[str, int, Callable[[], object]]]:
    """Every operation at both sizes, compiled and warm."""
    found: list[tuple[str, int, Callable[[], object]]] = []
    draws = np.random.default_rng(0)
    for size in SIZES:
        x = np.maximum(draws.normal(size=size), 0).astype(np.float32)
        maps, rows = x.reshape(1, CHANNELS, -1), x.reshape(-1, 64)
        for encoding in coinfer_kernels.info()["encodings"]:
            frame = kernels.encode(maps, encoding)
            found.append((f"encode:{encoding}", size, partial(kernels.encode, maps, encoding)))
            found.append((f"decode:{encoding}", size, partial(kernels.decode, frame)))
        found.append(("exit_scores", size, partial(kernels.exit_scores, rows)))
        found.append(
            ("feature_change", size, partial(kernels.feature_change, rows, rows[::-1].copy(), "l2"))
        )
    for _, _, call in found:
        call()
    return found


def _time_ns(call: Callable[[], object]) -> float:
    """Time of one call, from as many in a row as `SAMPLE_NS` takes."""
    calls = 1
    while True:
        begin = time.perf_counter_ns()
        for _ in range(calls):
            call()
        spent = time.perf_counter_ns() - begin
        if spent >= SAMPLE_NS:
            return spent / calls
        calls = max(2 * calls, round(calls * SAMPLE_NS / max(spent, 1)))


def _line(small: list[float], large: list[float]) -> KernelCost:
    low, high = statistics.median(small), statistics.median(large)
    element = max(high - low, 0.0) / (SIZES[1] - SIZES[0])
    quartiles = statistics.quantiles(large, n=4)
    return KernelCost(
        call_macs=round(max(low - element * SIZES[0], 0.0), 1),
        element_macs=round(element, 4),
        spread=round((quartiles[2] - quartiles[0]) / high, 3),
    )
