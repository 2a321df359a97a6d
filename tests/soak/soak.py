"""Runs real time for minutes with random crashes and rejoins, and watches the memory.

``python tests/soak/soak.py MINUTES OUTPUT.json``. The resident memory of the source, of the hub and
of every life of a device is taken twice a second. Source and hub live as long as the run: a line is
put through the second half of their memory. A device has many short lives, and takes its memory in
steps, when it is made ready and when it is first used: a line is put through what its lives ended
with against how long they were. What grows faster than `MOST_KIB_PER_MIN`, with 95 % confidence, is
a leak, and the exit code is 1; so it is if a request is missing, a fault did not land, or a process
is left behind.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import time
from array import array
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import psutil
from scipy import stats

from coinfer.cluster import Fault, FaultList, Workload
from coinfer.execute import run_cells, train
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite

EVERY_S = 0.5
RATE_RPS = 5
MOST_KIB_PER_MIN = 256
KEPT_BYTES = 753
"""What the source keeps of a request, its record, in virtual time (results/reference/driver)."""
START_S = 45
"""A device may take so long to import and build its models; shorter lives are left out."""
KEPT_EVERY_S = 5
"""Distance of the samples that are written down."""


class Watch(threading.Thread):
    """Takes the resident memory of this process and of its children, by name and process."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen = {}
        self.over = threading.Event()
        self._begin = time.monotonic()

    def run(self):
        while not self.over.wait(EVERY_S):
            children = [(p.name, p.pid) for p in multiprocessing.active_children()]
            for name, pid in [("source", os.getpid()), *children]:
                try:
                    memory = psutil.Process(pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                if memory:  # A process that has just ended has none.
                    samples = self.seen.setdefault((name, pid), array("d"))
                    samples.extend((time.monotonic() - self._begin, memory))


def cell(minutes):
    """The suite `fidelity` with a fault list and a workload for so long."""
    suite = load_suite("fidelity")
    crash = Fault(
        kind="crash", rate_per_s=1 / 12, rejoin_after_ms=4000.0, until_ms=(60 * minutes - 10) * 1e3
    )
    workload = Workload(kind="server", requests=round(60 * minutes * RATE_RPS), rate_rps=RATE_RPS)
    suite = msgspec.structs.replace(
        suite,
        faults={"soak": FaultList(events=(crash,))},
        defaults=msgspec.structs.replace(
            suite.defaults, workload=workload, faults="soak", allow_oversubscribed=True
        ),
    )
    (one,) = expand(suite, parameter_types(), {"cluster": ["slow-4"]})
    return one


def growth(name, minutes, memory):
    """Growth of memory in bytes over time in minutes, by linear regression, with its bounds."""
    fit = stats.linregress(minutes, np.asarray(memory) / 1024)
    half = stats.t.ppf(0.975, len(minutes) - 2) * fit.stderr
    kept = RATE_RPS * 60 * KEPT_BYTES / 1024 if name == "source" else 0
    least, most = float(fit.slope - half), float(fit.slope + half)
    return {
        "process": name,
        "kib_per_min": round(float(fit.slope), 1),
        "between": [round(least, 1), round(most, 1)],
        "records_kib_per_min": round(kept, 1),
        "mib": [round(float(m) / 2**20, 1) for m in (np.min(memory), np.max(memory))],
        "leaks": least - kept > MOST_KIB_PER_MIN,
    }


def judged(samples):
    """Growth of source, hub and devices; `samples` are pairs of seconds and bytes by process."""
    found = []
    ends = []
    for name, taken in samples:
        at, memory = np.array(taken).T
        if name in ("source", "coinfer hub"):
            late = at >= (at[0] + at[-1]) / 2
            found.append(growth(name, at[late] / 60, memory[late]))
        elif at[-1] - at[0] > START_S:
            ends.append(((at[-1] - at[0]) / 60, memory[-1]))
    if len(ends) > 2:
        lengths, memory = zip(*ends, strict=True)
        found.append({"lives": len(ends), **growth("devices", lengths, memory)})
    return found


def main(minutes, output):
    one = cell(float(minutes))
    train([one], print)
    watch = Watch()
    watch.start()
    (finished,) = run_cells([one], workers=1, timeout_s=None, on_progress=lambda _: None)
    watch.over.set()
    watch.join()
    if finished.outcome is None:
        sys.exit(f"failed: {finished.error}")
    outcome = finished.outcome
    samples = [
        (name, [(s[i], s[i + 1]) for i in range(0, len(s), 2)])
        for (name, _), s in watch.seen.items()
    ]
    growths = judged(samples)
    missed = [fault for fault in outcome.faults if not fault["landed"]]
    left = [p.name for p in multiprocessing.active_children()]
    found = {
        "command": f"python tests/soak/soak.py {minutes} {output}",
        "minutes": float(minutes),
        "requests": one.workload.requests,
        "statuses": Counter(r.status for r in outcome.records),
        "faults": Counter(fault["kind"] for fault in outcome.faults),
        "faults_missed": len(missed),
        "foreign_messages": outcome.foreign_messages,
        "stale_messages": outcome.stale_messages,
        "lost_messages": outcome.lost_messages,
        "growth": growths,
        "left_behind": left,
        "samples": [
            [
                name,
                [
                    (round(at, 1), round(memory))
                    for at, memory in taken[:: int(KEPT_EVERY_S / EVERY_S)]
                ],
            ]
            for name, taken in samples
        ],
    }
    Path(output).write_text(json.dumps(found) + "\n")
    print(json.dumps({k: v for k, v in found.items() if k != "samples"}, indent=1))
    complete = len(outcome.records) == one.workload.requests
    leaks = any(found_growth["leaks"] for found_growth in growths)
    sys.exit(leaks or bool(missed or left) or not complete)


if __name__ == "__main__":
    main(*sys.argv[1:3])
