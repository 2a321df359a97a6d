"""What the virtual driver adds to a bare heap loop, event by event, and what it keeps in memory.

python tests/perf/driver/measure.py results/scale
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figure import draw
from world import ENCODING, driver, scenario

DEVICES = (8, 64, 512, 4096)
ROUNDS = 25
EVENTS_A_RUN = 32_768
EVENTS_A_DEVICE = 8
"""Of one request: three for its input, one for its computation, four for its answer."""

MEMORY_REQUESTS = 2
LONG_REQUESTS = 200_000


def requests(devices: int) -> int:
    return max(EVENTS_A_RUN // (EVENTS_A_DEVICE * devices), 2)


def bare_seconds(events: int, outstanding: int) -> float:
    """CPU time of as many pops and pushes of the driver's tuples, with as many on the heap."""
    heap = [(place, 0, 0, place, None) for place in range(outstanding)]
    heapify(heap)
    begin = time.process_time()
    for number in range(events):
        at_ns = heappop(heap)[0]
        heappush(heap, (at_ns + number * 7919 % 1000, 2, 1, outstanding + number, None))
    return time.process_time() - begin


def kernel_seconds(devices: int) -> float:
    """CPU time of the codec calls of one run: frames are encoded once and decoded once each."""
    given = scenario(1, 1)
    encode, decode = given.backend.encode, given.backend.decode
    x = np.zeros((1, 1), np.float32)
    frame = encode(x, ENCODING)
    begin = time.process_time()
    for _ in range(requests(devices) * devices):
        encode(x, ENCODING)
        decode(frame)
        decode(frame)
    return time.process_time() - begin


def driver_seconds(devices: int) -> tuple[float, int]:
    """CPU time of one run, and its events."""
    run = driver(devices, requests(devices))
    gc.collect()
    begin = time.process_time()
    outcome = run.run()
    spent = time.process_time() - begin
    assert {record.status for record in outcome.records} == {"ok"}
    return spent, run.pushed


def speed() -> list[dict[str, float]]:
    """Medians over interleaved rounds, in microseconds an event."""
    taken: dict[int, list[tuple[float, float, float]]] = {count: [] for count in DEVICES}
    events: dict[int, int] = {}
    for _ in range(ROUNDS):
        for count in DEVICES:
            spent, events[count] = driver_seconds(count)
            bare = bare_seconds(events[count], count)
            kernels = kernel_seconds(count)
            taken[count].append(
                tuple(1e6 * s / events[count] for s in (spent, bare, kernels))  # type: ignore[arg-type]
            )
    rows = []
    for count in DEVICES:
        driver_us, bare_us, kernels_us = (
            statistics.median(c) for c in zip(*taken[count], strict=True)
        )
        added = sorted(spent - bare for spent, bare, _ in taken[count])
        rows.append(
            {
                "devices": count,
                "requests": requests(count),
                "events": events[count],
                "driver_us": driver_us,
                "bare_us": bare_us,
                "kernels_us": kernels_us,
                "added_us": statistics.median(added),
                "added_least_us": added[0],
                "added_quartiles_us": statistics.quantiles(added, n=4),
                "ratio_to_bare": driver_us / bare_us,
            }
        )
    return rows


def memory() -> list[dict[str, int]]:
    """Peaks of a run, each in a process of its own."""
    rows = []
    for count in DEVICES:
        peaks = {"devices": count}
        for how in ("traced", "resident"):
            command = [sys.executable, __file__, how, str(count)]
            peaks[f"{how}_bytes"] = int(
                subprocess.run(command, capture_output=True, check=True, text=True).stdout
            )
        rows.append(peaks)
    return rows


def peak_bytes(how: str, devices: int) -> int:
    """Most that scenario, driver and run took at a time; resident memory on Linux alone."""
    driver(1, 1).run()
    if how == "traced":
        tracemalloc.start()
        driver(devices, MEMORY_REQUESTS).run()
        return tracemalloc.get_traced_memory()[1]
    # Peaks of the imports are behind us: the kernel counts from here on.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    driver(devices, MEMORY_REQUESTS).run()
    return _status_bytes("VmHWM") - before


def growth() -> dict[str, Any]:
    """Resident memory in a run of many requests on one device, from the first quarter on."""
    command = [sys.executable, __file__, "growth", str(LONG_REQUESTS)]
    marks = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    (first, first_bytes), (last, last_bytes) = marks[0], marks[-1]
    return {
        "requests": [request for request, _ in marks],
        "resident_bytes": [count for _, count in marks],
        "bytes_a_request": (last_bytes - first_bytes) / (last - first),
    }


def resident_bytes(requests: int) -> list[tuple[int, int]]:
    """What is resident when every eighth of the requests begins."""
    marks = []

    def look(request: int) -> None:
        if request >= requests // 4 and request % (requests // 8) == 0:
            marks.append((request, _status_bytes("VmRSS")))

    driver(1, requests, look).run()
    return marks


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    load_before = os.getloadavg()[0]
    data = {
        "command": f"python tests/perf/driver/measure.py {folder}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rounds": ROUNDS,
        "clock": "CPU time of the process",
        "speed": speed(),
        "load_average": [load_before, os.getloadavg()[0]],
        "memory": memory(),
        "growth": growth(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "driver.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (folder / "driver.svg").write_text(draw(data), encoding="utf-8")
    for row in data["speed"]:
        print("{devices:5} devices: {added_us:.2f} us added to {bare_us:.2f}".format(**row))
    for row in data["memory"]:
        print(
            "{devices:5} devices: {traced_bytes} bytes traced, {resident_bytes} resident".format(
                **row
            )
        )
    print("{bytes_a_request:.0f} bytes a request".format(**data["growth"]))


if __name__ == "__main__":
    if sys.argv[1] == "growth":
        print(json.dumps(resident_bytes(int(sys.argv[2]))))
    elif len(sys.argv) == 3:
        print(peak_bytes(sys.argv[1], int(sys.argv[2])))
    else:
        main(Path(sys.argv[1]))
