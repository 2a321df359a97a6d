"""64 rows in a job: each leaves where it would alone, and what is left of the batch goes on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace

from coinfer.cluster import Workload
from coinfer.execute.cell import run_cell, scenario
from coinfer.execute.prepare import prepare
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build
from coinfer_kernels import backend

ROWS = 64
REQUESTS = 2 * ROWS
TIE = 1e-6
"""A batch of 64 gives other last bits than a batch of one: so near a threshold both may differ."""


class Counting(Runner):
    """Counts the rows that each stage really computes."""

    def __init__(self):
        super().__init__(build, memo=False)
        self.rows = Counter()

    def run(self, stage, inputs):
        self.rows[stage.id] += len(inputs[0].array)
        return super().run(stage, inputs)


def cell(rule, **workload):
    axes = {"method": ["distree-strict"], "run_seed": [0], "faults": ["none"]}
    (found,) = expand(load_suite("smoke"), parameter_types(), axes)
    # Targets at which several exits are taken; raw, as int8 has one scale for all rows.
    points = {"feature-difference": 5.0, "max-probability": 0.3}[rule]
    chosen = {
        "rule": rule,
        "target": {"accuracy_loss_points": points},
        "temperature_scaling": False,
    }
    return replace(
        found,
        method=replace(found.method, parameters=found.method.parameters | chosen),
        encoding="raw",
        deadline_ms=60_000,
        workload=Workload(requests=REQUESTS, **workload),
    )


def run(asked):
    runner = Counting()
    return run_cell(asked, prepare(asked), runner, lambda _: None).outcome.records, runner.rows


def nearest_threshold(asked, row):
    """How near the scores of one image, alone, come to the threshold, in float64."""
    prepared = prepare(asked)
    runner = Runner(build, memo=False)
    stages = {stage.id: stage for stage in prepared.deployment.stages}
    reference = backend.load("reference")
    maps = [runner.value(scenario(asked, prepared).load.images[row : row + 1])] * 4
    before, found = None, np.inf
    for b, tau in enumerate(prepared.notes["exit_rule"]["thresholds"], 1):
        maps = [runner.run(stages[f"s{k}.b{b}"], [x]) for k, x in enumerate(maps)]
        parts = [runner.run(stages[f"s{k}.e{b}"], [x]).array for k, x in enumerate(maps)]
        vector = np.concatenate(parts, axis=1)
        if asked.method.parameters["rule"] == "max-probability":
            logits = runner.run(stages[f"head{b}"], [runner.value(vector)]).array
            found = min(found, abs(float(reference.exit_scores(logits).max_prob[0]) - tau))
        elif before is not None:
            change = reference.feature_change(before, vector, "l2")
            found = min(found, abs(float(change[0]) - tau))
        before = vector
    return found


@pytest.mark.parametrize("rule", ["feature-difference", "max-probability"])
def test_rows_leave_as_they_do_alone_and_nothing_more_is_computed(rule):
    alone, _ = run(cell(rule))
    asked = cell(rule, kind="multi-stream", samples_per_query=ROWS, batch_rows=ROWS)
    batched, computed = run(asked)
    differ = [a.request for a, b in zip(alone, batched, strict=True) if a.exit != b.exit]
    assert all(nearest_threshold(asked, row) <= TIE for row in differ), differ
    assert len(differ) <= 1, "ties are rare"
    for a, b in zip(alone, batched, strict=True):
        if a.exit == b.exit:
            assert (a.prediction, a.macs) == (b.prediction, b.macs)

    exits = [r.exit for r in batched]
    assert len(set(exits)) > 1
    for k in range(4):
        for b in (1, 2, 3):
            reached = sum(exit_ >= b for exit_ in exits)
            assert computed[f"s{k}.b{b}"] == computed[f"s{k}.e{b}"] == reached
