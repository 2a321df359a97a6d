"""The deadline comes before exit 1 is complete: what is there answers, zeros for the rest."""

from __future__ import annotations

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

REQUESTS = 40


def cell(patience):
    axes = {"method": ["distree-strict"], "run_seed": [0], "faults": ["none"]}
    (found,) = expand(load_suite("smoke"), parameter_types(), axes)
    # The paper's rule lets nothing out at exit 1, so nothing but the deadline asks its head.
    chosen = {"rule": "feature-difference", "patience": patience}
    steady = {name: replace(link, jitter_ms=0.0) for name, link in found.cluster.links.items()}
    return replace(
        found,
        method=replace(found.method, parameters=found.method.parameters | chosen),
        cluster=replace(found.cluster, links=steady),
        encoding="raw",
        deadline_ms=60_000,
        workload=Workload(kind="single-stream", requests=REQUESTS),
    )


def portions(prepared, image, runner):
    """What every device sends at exit 1, by device, in partition order."""
    stages = {stage.id: stage for stage in prepared.deployment.stages}
    on = {r.stage.split(".")[0]: r.device for r in prepared.deployment.replicas if "." in r.stage}
    return stages, {
        device: runner.run(
            stages[f"{s}.e1"], [runner.run(stages[f"{s}.b1"], [runner.value(image)])]
        ).array
        for s, device in sorted(on.items())
    }


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_head_of_exit_1_answers_from_the_portions_that_are_there(share):
    """The fastest device has sent its portion long before the slowest one."""
    whole = prepare(cell(1.5))
    first_ms = whole.notes["exit_latency_ms"][0]
    last_ms = whole.deployment.predicted_latency_ns / 1e6
    # Of all devices the fastest takes a good half of what the slowest takes.
    asked = cell(first_ms * (0.5 + share / 2) / last_ms)
    prepared = prepare(asked)
    records = run_cell(asked, prepared, Runner(build, memo=False), lambda _: None).outcome.records
    assert {(r.status, r.exit) for r in records} == {("degraded", 1)}
    assert all(0 < r.present < 4 for r in records)
    runner = Runner(build, memo=False)
    images = scenario(asked, prepared).load.images
    ranked = sorted(asked.cluster.devices, key=lambda d: -d.macs_per_s)
    for record, image in zip(records, images[:, None], strict=True):
        stages, made = portions(prepared, image, runner)
        came = {device.name for device in ranked[: record.present]}
        values = [x if device in came else x * 0 for device, x in made.items()]
        vector = runner.value(np.concatenate(values, axis=1))
        logits = runner.run(stages["head1"], [vector]).array
        assert record.prediction == logits.argmax()
