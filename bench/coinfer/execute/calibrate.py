"""Measures the cost table: kernels of every back end, and stages, against a reference kernel."""

from __future__ import annotations

import datetime
import platform
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
from cpuinfo import get_cpu_info

import coinfer_kernels
from coinfer.cluster.cost_table import CostTable, KernelCost, StageCost
from coinfer.execute.stage_costs import Measurable
from coinfer.runtime.reference import REFERENCE_MACS, reference_kernel
from coinfer_kernels import backend

Call: TypeAlias = Callable[[], object]
_Key: TypeAlias = tuple[str, str, int]
"""Back end, operation and size; of a stage `STAGE`, its key and 1."""

SIZES: Final = (64, 65536)
"""A call costs what the small size costs; an element what the large one adds."""

CHANNELS: Final = 16
"""Of the feature maps that are encoded: what a scale per channel costs lies in the element."""

ROUNDS: Final = 41
SAMPLE_NS: Final = 200_000
"""Shortest sample: some hundred times what reading the clock costs."""

UNDISTURBED: Final = 0.1
"""Quantile of the times that counts. Other processes' caches and a hypervisor that takes the
processor away only ever add, and now and then: with five times as many processes as cores, this
quantile was within some percent of itself from run to run, the median not within a factor of two.
"""

STAGE: Final = "stage"


class _Cost(NamedTuple):
    macs: float
    spread: float


def calibrate(
    path: Path | None = None,
    rounds: int = ROUNDS,
    stages: Mapping[str, Measurable] | None = None,
) -> CostTable:
    """Measure and, where a path is given, write the cost table of this machine.

    The reference kernel (a 3×3 convolution from 16 to 32 channels on 14×14, one thread) is timed
    before everything that is timed, in random order; the table holds quotients of the two, which
    are steady on a shared machine where absolute times are not. How fast the reference kernel
    itself was is the one absolute figure: for devices whose speed is stated as a multiple of it.

    Parameters
    ----------
    path : Path, optional
    rounds : int
        Measurements of each kernel and size, and of each stage.
    stages : mapping of str to Measurable, optional
        By their keys in the table.
    """
    stages = stages or {}
    kernels = {
        (name, operation, size): call
        for name in backend.available()
        for operation, size, call in _operations(backend.load(name))
    }
    rows = {(STAGE, key, 1): one.call for key, one in stages.items()}
    costs, reference_ns = _interleaved({**kernels, **rows}, rounds)
    table = CostTable(
        machine=str(get_cpu_info().get("brand_raw", platform.machine())),
        isa=str(coinfer_kernels.info()["isa"]),
        measured=datetime.datetime.now(datetime.UTC).date().isoformat(),
        reference="conv2d 16->32, 3x3, 14x14, float32, one thread (torch)",
        kernels=_lines(costs),
        reference_macs_per_s=round(REFERENCE_MACS * 1e9 / reference_ns),
        torch=metadata.version("torch"),
        stages={
            key: StageCost(
                module=one.stage.module.builder,
                macs=one.stage.macs,
                reference_macs=round(costs[STAGE, key, 1].macs, 1),
                spread=round(costs[STAGE, key, 1].spread, 3),
            )
            for key, one in sorted(stages.items())
        },
    )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")
    return table


def _interleaved(calls: Mapping[_Key, Call], rounds: int) -> tuple[dict[_Key, _Cost], float]:
    """What every call costs, and the time of the reference kernel in ns."""
    reference = reference_kernel()
    for call in calls.values():
        call()  # Compiled and warm.
    times: dict[_Key, list[float]] = {key: [] for key in calls}
    references: list[list[float]] = []
    order = list(calls)
    shuffle = random.Random(0)
    for _ in range(rounds):
        shuffle.shuffle(order)
        references.append([])
        for key in order:
            references[-1].append(_time_ns(reference))
            times[key].append(_time_ns(calls[key]))
    reference_ns = _undisturbed(list(chain(*references)))
    return {key: _cost(found, references) for key, found in times.items()}, reference_ns


def _cost(times: list[float], references: list[list[float]]) -> _Cost:
    """In reference MACs, with how much the rounds' two halves differ."""

    def macs(window: slice) -> float:
        reference = _undisturbed(list(chain(*references[window])))
        return REFERENCE_MACS * _undisturbed(times[window]) / reference

    half = len(times) // 2
    whole = macs(slice(None))
    return _Cost(whole, abs(macs(slice(half)) - macs(slice(half, None))) / whole)


def _undisturbed(times: list[float]) -> float:
    return float(np.quantile(times, UNDISTURBED))


def _operations(kernels: backend.Backend) -> list[tuple[str, int, Call]]:
    """Every operation at both sizes."""
    found: list[tuple[str, int, Call]] = []
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
        labels, counts = np.arange(size), np.zeros(size, np.int32)
        found.append(
            ("count_agreement", size, partial(kernels.count_agreement, labels, labels, counts, 1))
        )
    return found


def _time_ns(call: Call) -> float:
    """Processor time of one call, from as many in a row as `SAMPLE_NS` takes.

    Not the time on the wall: on a busy machine most of that is other processes'.
    """
    calls = 1
    while True:
        begin = time.process_time_ns()
        for _ in range(calls):
            call()
        spent = time.process_time_ns() - begin
        if spent >= SAMPLE_NS:
            return spent / calls
        calls = max(2 * calls, round(calls * SAMPLE_NS / max(spent, 1)))


def _lines(costs: Mapping[_Key, _Cost]) -> dict[str, dict[str, KernelCost]]:
    """The line through both sizes of every operation, by back end."""
    found: dict[str, dict[str, KernelCost]] = {}
    small, large = SIZES
    for name, operation, size in sorted(costs):
        if size == small and name != STAGE:
            ends = costs[name, operation, small], costs[name, operation, large]
            found.setdefault(name, {})[operation] = _line(*ends)
    return found


def _line(small: _Cost, large: _Cost) -> KernelCost:
    element = max(large.macs - small.macs, 0.0) / (SIZES[1] - SIZES[0])
    return KernelCost(
        call_macs=round(max(small.macs - element * SIZES[0], 0.0), 1),
        element_macs=round(element, 4),
        spread=round(large.spread, 3),
    )
