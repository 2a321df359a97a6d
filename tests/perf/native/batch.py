"""What early exit saves of a native batch on this machine: wall-clock time, with exits and without.

``OMP_NUM_THREADS=1 python tests/perf/native/batch.py [OUTPUT.json]``, after ``coinfer train
distree-sweep -m wrn-16-1 -a cluster=[mixed-8]``. Real processes and sockets, nothing dilated: 64
images in a job, each of which leaves for itself, with the students of `quickstart` (WRN-10-1) and
with ones of twice the depth (WRN-16-1). Runs with exits and without take turns, and what is told is
the ratio of each pair, beside where a student spends the time of such a batch. Nearly all of the
time goes into processes that start and load PyTorch: so there are few runs, and many batches in
each.
"""

from __future__ import annotations

import json
import platform
import sys
import timeit
from functools import partial
from pathlib import Path

import numpy as np
import torch
from msgspec.structs import replace
from scipy import stats

from coinfer.cluster import Workload
from coinfer.contract import INPUT, gate_of
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.execute.profiles import dataset
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner, Value
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build

ROWS = 64
BATCHES = 16
WARM_UP = 2
PAIRS = 6
PASSES = 30
RULES = {
    "feature-difference": {"rule": "feature-difference"},
    "max-probability": {"rule": "max-probability"},
    "max-probability, budgeted": {"rule": "max-probability", "thresholds": "budgeted"},
}
NETWORKS = {"wrn-10-1": ("quickstart", "distree-strict"), "wrn-16-1": ("distree-sweep", "wrn-16-1")}


def batched(network, rule):
    """A native cell of batches; `rule` are parameters of the method."""
    suite, method = NETWORKS[network]
    axes = {"method": [method], "cluster": ["mixed-8"], "faults": ["none"]}
    axes |= {"run_seed": [0], "mode": ["native"]}
    (cell,) = expand(load_suite(suite), parameter_types(), axes)
    parameters = cell.method.parameters | rule
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


def stage_shares(cell):
    """Share of MACs and of time of each stage of one student, of those of its blocks together."""
    size = (ROWS, *dataset(cell.dataset).info.shape)
    chain = {INPUT: np.random.default_rng(0).normal(size=size).astype(np.float32)}
    macs, seconds = {}, {}
    runner = Runner(build, memo=False)
    for stage in prepare(cell).deployment.stages:
        if not stage.id.startswith("s0."):
            continue
        (need,) = (need for need in stage.needs if gate_of(need) is None)
        call = partial(runner.run, stage, [Value(chain[need.stage])])
        chain[stage.id] = call().array
        macs[stage.id] = stage.macs
        seconds[stage.id] = np.median(timeit.repeat(call, number=1, repeat=PASSES))
    blocks = [name for name in macs if ".b" in name]
    return {
        name: {
            "macs_share": round(macs[name] / sum(map(macs.get, blocks)), 3),
            "time_share": round(float(seconds[name] / sum(map(seconds.get, blocks))), 3),
        }
        for name in macs
    }


def compared(network):
    never = batched(network, {"rule": "never"})
    cells = {name: batched(network, rule) for name, rule in RULES.items()}
    found = {rule: [] for rule in RULES}
    told = {}
    for _ in range(PAIRS):
        records, whole_ns = run(never)
        whole_macs = np.mean([r.macs for r in records])
        for rule, cell in cells.items():
            records, early_ns = run(cell)
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
    return {"against_never": told, "stages": stage_shares(cells["max-probability"])}


def main(output=None):
    torch.set_num_threads(1)
    told = {
        "command": "OMP_NUM_THREADS=1 python tests/perf/native/batch.py",
        "rows": ROWS,
        "pairs": PAIRS,
        "networks": {network: compared(network) for network in NETWORKS},
        "machine": platform.processor() or platform.machine(),
    }
    text = json.dumps(told, indent=1)
    print(text)
    if output is not None:
        Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
