"""What the deployed methods answer, against the same networks run as a whole in torch."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

import coinfer_datasets
from coinfer.cluster import Cluster, Device, Fault, FaultList, Link
from coinfer.errors import PlanError
from coinfer.execute.cell import run_cell
from coinfer.execute.planned import check
from coinfer.execute.prepare import prepare
from coinfer.models import Classifier, JointModel, JointSpec, StudentSpec, TeacherSpec
from coinfer.runtime.runner import Runner
from coinfer.training import Zoo
from coinfer.training.modules import build

CRASHED = FaultList(events=(Fault(kind="crash", target="d0", on_request=10),))


@pytest.fixture(scope="module")
def runner():
    return Runner(build, memo=True)


def run(cell, runner):
    """Outcome without a lossy encoding, so that it can be compared with whole networks."""
    return run_cell(cell, prepare(cell), runner, lambda _: None).outcome


def images(outcome):
    data = coinfer_datasets.load("digits")
    picked = [r.item for r in outcome.records]
    return torch.from_numpy(data.normalise(data.test.images)[picked])


def artifact(cell):
    """What the zoo has under the weights that the cell deploys."""
    (sha,) = {s.module.weights_sha256 for s in prepare(cell).deployment.stages}
    (found,) = [a for a in Zoo().ls() if a.weights_sha256 == sha][:1]
    return found


def joint_model(cell) -> JointModel:
    found = artifact(cell)
    students = tuple(msgspec.convert(s, StudentSpec) for s in found.inputs["students"])
    filters = tuple(len(p) for p in found.inputs["partitions"])
    model = JointModel(JointSpec(students, filters, (1, 8, 8), 10))
    model.load_state_dict(found.tensors())
    return model.eval()


def predictions(outcome):
    return np.array([r.prediction for r in outcome.records])


def test_the_teacher_answers_as_it_does_alone(smoke_cell, runner):
    cell = smoke_cell("local-teacher", faults="none", encoding="raw")
    outcome = run(cell, runner)
    found = artifact(cell)
    model = Classifier(msgspec.convert(found.inputs["spec"], TeacherSpec), 1, 10)
    tensors = found.tensors()
    model.load_state_dict(
        {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    )
    with torch.inference_mode():
        expected = model.eval()(images(outcome)).argmax(dim=1).numpy()
    np.testing.assert_array_equal(predictions(outcome), expected)


@pytest.mark.parametrize("method", ["nonn", "rocoin"])
def test_portions_answer_as_the_joint_model_does(smoke_cell, runner, method):
    cell = smoke_cell(method, faults="none", encoding="raw")
    outcome = run(cell, runner)
    with torch.inference_mode():
        expected = joint_model(cell)(images(outcome)).logits[-1].argmax(dim=1).numpy()
    np.testing.assert_array_equal(predictions(outcome), expected)
    assert {r.status for r in outcome.records} == {"ok"}


def test_a_lost_portion_of_nonn_is_zero(smoke_cell, runner):
    """After d0 is gone, answers are those of the joint model with portion 0 set to zero."""
    cell = msgspec.structs.replace(
        smoke_cell("nonn", faults="none", encoding="raw"), faults=CRASHED
    )
    outcome = run(cell, runner)
    model = joint_model(cell)
    with torch.inference_mode():
        portions = list(model(images(outcome)).portions[-1])
        portions[0] = torch.zeros_like(portions[0])
        expected = model.heads[0](torch.cat(portions, dim=1)).argmax(dim=1).numpy()
    degraded = np.array([r.status == "degraded" for r in outcome.records])
    assert degraded.sum() == 30
    np.testing.assert_array_equal(predictions(outcome)[degraded], expected[degraded])


def test_rocoin_answers_in_full_after_any_single_crash(smoke_cell, runner):
    cell = smoke_cell("rocoin", faults="none", encoding="raw")
    whole = predictions(run(cell, runner))
    for device in cell.cluster.devices:
        crash = FaultList(events=(Fault(kind="crash", target=device.name, on_request=10),))
        outcome = run(msgspec.structs.replace(cell, faults=crash), runner)
        assert {r.status for r in outcome.records} == {"ok"}
        np.testing.assert_array_equal(predictions(outcome), whole)


@pytest.mark.parametrize("control", ["strict", "speculative"])
def test_early_exits_are_those_of_the_definition(smoke_cell, runner, control):
    """Every exit and every label, against the rule in float64 on the whole network."""
    base = smoke_cell("distree-strict", faults="none", encoding="raw")
    parameters = {**base.method.parameters, "control": control}
    # A loose target, so that both exits are taken.
    parameters["target"] = {"accuracy_loss_points": 5.0}
    choice = msgspec.structs.replace(base.method, parameters=parameters)
    cell = msgspec.structs.replace(base, method=choice)
    outcome = run(cell, runner)
    tau, _ = prepare(cell).notes["exit_rule"]["thresholds"]
    with torch.inference_mode():
        out = joint_model(cell)(images(outcome))
    unit = []
    for portions in out.portions:
        v = torch.cat(list(portions), dim=1).double().numpy()
        unit.append(v / np.linalg.norm(v, axis=1, keepdims=True))
    change = np.linalg.norm(unit[1] - unit[0], axis=1)
    exits = np.where(change <= tau, 2, 3)
    labels = np.stack([logits.argmax(dim=1).numpy() for logits in out.logits])
    assert set(exits) == {2, 3}
    assert [r.exit for r in outcome.records] == exits.tolist()
    np.testing.assert_array_equal(predictions(outcome), labels[exits - 1, np.arange(len(exits))])


def test_early_exit_saves_macs_and_strict_wastes_none(smoke_cell, runner):
    base = smoke_cell("distree-strict", faults="none", encoding="raw")

    def with_parameters(**changes):
        parameters = {**base.method.parameters, **changes}
        choice = msgspec.structs.replace(base.method, parameters=parameters)
        return run(msgspec.structs.replace(base, method=choice), runner).records

    loose = {"accuracy_loss_points": 5.0}
    strict = with_parameters(target=loose)
    speculative = with_parameters(target=loose, control="speculative")
    never = with_parameters(rule="never")
    assert {r.exit for r in never} == {3}
    assert sum(r.macs_wasted for r in strict) == 0
    assert sum(r.macs_wasted for r in speculative) > 0
    early = [r for r in strict if r.exit == 2]
    assert max(r.macs for r in early) < min(r.macs for r in strict if r.exit == 3)
    # No exit heads and no control: fewer messages than with exits.
    assert never[0].messages < min(r.messages for r in strict)


def test_the_plan_predicts_the_latency_of_virtual_time(smoke_cell, runner):
    """Without jitter they differ by codec, decision and head, which the plan leaves out."""
    for method in ("local-teacher", "nonn", "rocoin"):
        cell = smoke_cell(method, faults="none", encoding="raw")
        links = {
            n: msgspec.structs.replace(k, jitter_ms=0.0) for n, k in cell.cluster.links.items()
        }
        cell = msgspec.structs.replace(
            cell, cluster=msgspec.structs.replace(cell.cluster, links=links)
        )
        predicted_ns = prepare(cell).deployment.predicted_latency_ns
        for record in run(cell, runner).records:
            left_out_ns = record.serialise_ns + record.decide_ns
            slack_ns = record.answered_ns - record.intended_ns - predicted_ns
            assert 0 <= slack_ns <= left_out_ns + 0.2e6


def test_a_cluster_that_can_hold_nothing_is_refused_with_the_constraint(smoke_cell):
    tiny = Cluster(
        devices=(Device(name="d0", macs_per_s=1e6, memory_bytes=1000),),
        links={"*": Link(up_bps=1e6, down_bps=1e6)},
    )
    for method in ("local-teacher", "nonn", "rocoin", "distree-strict"):
        cell = msgspec.structs.replace(smoke_cell(method), cluster=tiny)
        with pytest.raises(PlanError, match=r"memory|bytes"):
            check(cell)
