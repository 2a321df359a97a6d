"""Runs real time for minutes with random crashes and rejoins, and watches the memory.

``python tests/soak/soak.py MINUTES OUTPUT.json``. The resident memory of the source, of the hub and
of every life of a device is taken twice a second; after the start of a process a line is put
through it. A process that grows faster than `MOST_KIB_PER_MIN`, with 95 % confidence, is a
leak, and the exit code is 1; so it is if a request is missing, a fault did not land, or a process
is left behind. Lives shorter than `LONG_ENOUGH_S` are listed, but not judged.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import time
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
START_S = 45
"""A process may take so long to import, build its models and settle; growth is looked for later."""
LONG_ENOUGH_S = 75
MOST_KIB_PER_MIN = 256
"""The source keeps some 400 bytes of each request: 120 KiB a minute at this rate."""


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
                at = round(time.monotonic() - self._begin, 2)
                self.seen.setdefault((name, pid), []).append((at, memory))


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


def line(samples):
    """Growth by linear regression after the start, in KiB a minute, with its bounds."""
    begin = samples[0][0] + min(START_S, (samples[-1][0] - samples[0][0]) / 2)
    at, memory = np.array([sample for sample in samples if sample[0] >= begin]).T
    fit = stats.linregress(at / 60, memory / 1024)
    half = stats.t.ppf(0.975, len(at) - 2) * fit.stderr
    return {
        "kib_per_min": round(float(fit.slope), 1),
        "between": [round(float(fit.slope - half), 1), round(float(fit.slope + half), 1)],
        "begin_mib": round(samples[0][1] / 2**20, 1),
        "end_mib": round(samples[-1][1] / 2**20, 1),
        "seconds": round(samples[-1][0] - samples[0][0], 1),
    }


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
    lives = [
        {"process": name, **line(samples)}
        for (name, _), samples in watch.seen.items()
        if len(samples) * EVERY_S >= 5
    ]
    judged = [life for life in lives if life["seconds"] >= LONG_ENOUGH_S]
    grown = [life for life in judged if life["between"][0] > MOST_KIB_PER_MIN]
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
        "growing": grown,
        "left_behind": left,
        "lives": lives,
        "samples": {
            f"{name} {number}": samples
            for number, ((name, _), samples) in enumerate(watch.seen.items())
        },
    }
    Path(output).write_text(json.dumps(found) + "\n")
    print(json.dumps({k: v for k, v in found.items() if k not in ("samples", "lives")}, indent=1))
    for life in judged:
        print(life)
    complete = len(outcome.records) == one.workload.requests
    sys.exit(bool(grown or missed or left or not complete))


if __name__ == "__main__":
    main(*sys.argv[1:3])
