"""What early exit saves of a native batch on this machine: wall-clock time, with exits and without.

``OMP_NUM_THREADS=1 python tests/perf/native/batch.py [OUTPUT.json]``. Real processes and sockets,
nothing dilated: DistrEE as `quickstart` deploys it, 64 images in a job, each of which leaves for
itself. Runs with exits and without take turns, and what is told is the ratio of each pair. Nearly
all of the time goes into processes that start and load PyTorch, and a batch takes a fifth of a
second: so there are as few processes and runs as will do, and many batches in each.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from scipy import stats

from coinfer.cluster import Workload
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build

ROWS = 64
BATCHES = 16
WARM_UP = 2
PAIRS = 4
RULES = ("feature-difference", "max-probability")


def batched(rule):
    axes = {"method": ["distree-strict"], "faults": ["none"], "run_seed": [0], "mode": ["native"]}
    (cell,) = expand(load_suite("quickstart"), parameter_types(), axes)
    parameters = cell.method.parameters | {"rule": rule}
    count = ROWS * BATCHES
    ranked = sorted(cell.cluster.devices, key=lambda d: -d.macs_per_s)
    used = {device.name for device in ranked[: parameters["devices"]]}
    return replace(
        cell,
        method=replace(cell.method, parameters=parameters),
        # Neither the deadline nor a core that is busy elsewhere may cost a row or a device.
        deadline_ms=3_600_000.0,
        cluster=replace(
            cell.cluster,
            devices=tuple(d for d in cell.cluster.devices if d.name in used),
            heartbeat_timeout_ms=600_000.0,
        ),
        workload=Workload(
            kind="multi-stream",
            requests=count,
            samples_per_query=ROWS,
            batch_rows=ROWS,
            warm_up=ROWS * WARM_UP,
        ),
    )


def run(cell):
    """Records of the batches that count, and the median time from one's arrival to its last row."""
    outcome = run_cell(cell, prepare(cell), Runner(build, memo=False), lambda _: None).outcome
    records = [r for r in outcome.records if not r.warm_up]
    spans = [
        max(r.answered_ns for r in records[n : n + ROWS]) - records[n].intended_ns
        for n in range(0, len(records), ROWS)
    ]
    return records, float(np.median(spans))


def main(output=None):
    cells = {rule: batched(rule) for rule in (*RULES, "never")}
    found = {rule: [] for rule in RULES}
    told = {}
    for _ in range(PAIRS):
        records, whole_ns = run(cells["never"])
        whole_macs = np.mean([r.macs for r in records])
        for rule in RULES:
            records, early_ns = run(cells[rule])
            found[rule].append(early_ns / whole_ns)
            told[rule] = {
                "macs_ratio": round(float(np.mean([r.macs for r in records]) / whole_macs), 4),
                "exit_counts": np.bincount([r.exit for r in records], minlength=4)[1:].tolist(),
            }
    for rule, ratios in found.items():
        mean = stats.ttest_1samp(np.log(ratios), 0.0)
        low, high = np.exp(mean.confidence_interval(0.95))
        told[rule] |= {
            "time_ratio": round(float(np.exp(np.mean(np.log(ratios)))), 3),
            "time_ratio_95_percent": [round(float(low), 3), round(float(high), 3)],
        }
    told = {
        "command": "OMP_NUM_THREADS=1 python tests/perf/native/batch.py",
        "rows": ROWS,
        "pairs": PAIRS,
        "against_never": told,
        "machine": platform.processor() or platform.machine(),
    }
    text = json.dumps(told, indent=1)
    print(text)
    if output is not None:
        Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
