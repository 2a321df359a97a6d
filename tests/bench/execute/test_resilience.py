"""The failure curve without runs, against virtual-time runs with those devices really crashed."""

from __future__ import annotations

import itertools
import random

import msgspec
import numpy as np
import pytest

from coinfer.cluster import Fault, FaultList
from coinfer.execute.cell import run_cell
from coinfer.execute.cell import test_images as images_of
from coinfer.execute.prepare import prepare
from coinfer.execute.resilience import statics
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.runtime.survivors import Survivors
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build
from coinfer_kernels import backend


@pytest.fixture(scope="module")
def runner():
    return Runner(build, memo=True)


def smoke_cell(method, **axes):
    overrides = {name: [value] for name, value in ({"method": method} | axes).items()}
    (cell, *_) = expand(load_suite("smoke"), parameter_types(), overrides)
    # Losses are noticed at once, so that nearly every request of a short run counts.
    attentive = msgspec.structs.replace(cell.cluster, heartbeat_ms=2.0, heartbeat_timeout_ms=6.0)
    return msgspec.structs.replace(cell, cluster=attentive)


def crashed(cell, lost, runner):
    """Outcome of a run in which these devices are gone from the beginning.

    A crash is noticed after the heartbeat's time-out; the requests count that come after that.
    """
    events = tuple(Fault(kind="crash", target=name, at_ms=0.0) for name in lost)
    workload = msgspec.structs.replace(cell.workload, requests=30)
    cell = msgspec.structs.replace(cell, faults=FaultList(events=events), workload=workload)
    return run_cell(cell, prepare(cell), runner, lambda _: None).outcome


@pytest.mark.parametrize(
    ("method", "encoding"),
    [("nonn", "raw"), ("nonn", "int8"), ("rocoin", "int8"), ("local-teacher", "raw")],
)
def test_the_curve_is_that_of_runs_with_those_devices_crashed(method, encoding, runner):
    cell = smoke_cell(method, faults="none", encoding=encoding)
    names = cell.cluster.names
    images, _ = images_of(cell.dataset)
    survivors = Survivors(
        prepare(cell).deployment, images, encoding, backend.load(cell.kernels), runner, job_rows=1
    )
    subsets = [s for f in range(len(names) + 1) for s in itertools.combinations(names, f)]
    compared = 0
    for lost in random.Random(method).sample(subsets, 8):
        outcome = crashed(cell, lost, runner)
        answers = survivors.answers(set(names) - set(lost))
        for record in outcome.records:
            if record.intended_ns < 20e6:
                continue
            expected = answers.labels[record.item]
            compared += 1
            assert record.prediction == expected
            assert (record.status == "degraded") == answers.degraded[record.item]
    assert compared > 60


def test_figures_of_a_deployment_are_those_of_its_subsets(runner):
    """nonn on four devices: all sixteen subsets, by the definition of each figure."""
    cell = smoke_cell("nonn", faults="none", encoding="raw")
    prepared = prepare(cell)
    found = statics(cell, prepared, runner)
    images, labels = images_of(cell.dataset)
    kernels = backend.load(cell.kernels)
    survivors = Survivors(prepared.deployment, images, "raw", kernels, runner)
    names = cell.cluster.names
    chance = {d.name: d.failure_probability for d in cell.cluster.devices}
    expected = 0.0
    for failed in range(5):
        accuracies = []
        for lost in itertools.combinations(names, failed):
            left = set(names) - set(lost)
            accuracies.append((survivors.answers(left).labels == labels).mean())
            weight = np.prod([chance[n] if n in lost else 1 - chance[n] for n in names])
            expected += weight * accuracies[-1]
        curve = found["accuracy_by_failures"][str(failed)]
        assert curve["mean"] == pytest.approx(np.mean(accuracies))
        assert (curve["worst"], curve["best"]) == (min(accuracies), max(accuracies))
        assert curve["ci_low"] <= curve["mean"] <= curve["ci_high"]
    assert found["expected_accuracy"] == pytest.approx(expected)
    # Zeros stand in for lost portions, so only the loss of all leaves a request unanswered.
    assert found["availability"] == pytest.approx(1 - np.prod(list(chance.values())))
    everyone = np.prod([1 - p for p in chance.values()])
    assert found["availability_in_full"] == pytest.approx(everyone)


def test_what_all_replicas_take_is_summed(runner):
    cell = smoke_cell("rocoin", faults="none")
    prepared = prepare(cell)
    found = statics(cell, prepared, runner)
    stages = {s.id: s for s in prepared.deployment.stages}
    groups = prepared.notes["groups"]
    by_group = [len(g["devices"]) * stages[f"s{k}"].macs for k, g in enumerate(groups)]
    assert found["total_macs"] == sum(by_group) + stages["head1"].macs
    assert found["peak_memory_bytes"] < found["total_memory_bytes"]
    assert found["teacher_accuracy"] > 0.9
    assert found["predicted_latency_ms"] > 0
    # To lose one part is to lose all devices of a group.
    assert len(found["accuracy_by_parts_lost"]) == len(groups) + 1
    images, labels = images_of(cell.dataset)
    survivors = Survivors(
        prepared.deployment, images, cell.encoding, backend.load(cell.kernels), runner
    )
    everyone = {d for g in groups for d in g["devices"]}
    left = [survivors.answers(everyone - set(g["devices"])).labels for g in groups]
    one_lost = found["accuracy_by_parts_lost"]["1"]
    assert one_lost["mean"] == pytest.approx(np.mean([(a == labels).mean() for a in left]))


def test_early_exit_tells_nothing_of_failures(runner):
    cell = smoke_cell("distree-strict", faults="none")
    assert "accuracy_by_failures" not in statics(cell, prepare(cell), runner)
