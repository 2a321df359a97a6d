"""The latency that a plan predicts is that of virtual time without faults and jitter."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from coinfer.cluster import CLUSTERS
from coinfer.cluster.cost_table import KernelCost
from coinfer.errors import PlanError
from coinfer.execute.cell import scenario
from coinfer.execute.prepare import Prepared
from coinfer.execute.profiles import profile_of, stand_in
from coinfer.methods import method, parameter_types
from coinfer.models import JointSpec, TeacherSpec, build
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import VirtualDriver
from coinfer.suite import expand, load_suite
from coinfer.training import FusedArtifact, JointArtifact, SingleArtifact

METHODS = ("local-teacher", "nonn", "hetnonn", "rocoin", "ensemble", "replicate")


class Untrained:
    """A workshop whose models have no weights: time does not depend on them."""

    def distil(self, profile, students, partitions, *_, **__):
        teacher = profile.teacher
        sizes = tuple(map(len, partitions))
        spec = JointSpec(tuple(students), sizes, teacher.shape, teacher.classes)
        return JointArtifact(
            dataset="digits",
            spec=spec,
            partitions=tuple(partitions),
            train_seed=0,
            address="",
            weights_sha256="",
            validation_accuracy=(1.0,),
            test_accuracy=(1.0,),
        )

    def fuse(self, profile, fusion, joint):
        return FusedArtifact(fusion, joint, np.zeros(joint.spec.features, np.float32))

    def single(self, profile, student, member=0):
        teacher, spec = profile.teacher, TeacherSpec.like(student)
        return SingleArtifact(
            "digits", spec, teacher.shape, teacher.classes, 0, member, "", "", 1.0, 1.0
        )

    def singles(self, profile, students):
        return tuple(self.single(profile, student) for student in students)


@pytest.fixture(scope="module")
def runner():
    return Runner(build, memo=True)


def steady(name):
    """A preset without jitter."""
    cluster = CLUSTERS[name]
    links = {n: msgspec.structs.replace(k, jitter_ms=0.0) for n, k in cluster.links.items()}
    return msgspec.structs.replace(cluster, links=links)


def planned(base, cluster_name, encoding="int8", **parameters):
    """A cell and the untrained deployment of a method."""
    (cell, *_) = expand(load_suite("smoke"), parameter_types(), {"method": [base]})
    workload = msgspec.structs.replace(cell.workload, requests=2)
    kind = parameter_types()[base]
    if "compute_budget_ms" in kind.__struct_fields__:
        parameters = {"compute_budget_ms": 1000.0} | parameters
    choice = msgspec.structs.replace(
        cell.method, parameters=msgspec.to_builtins(kind(**parameters))
    )
    cell = msgspec.structs.replace(
        cell,
        cluster=steady(cluster_name),
        encoding=encoding,
        deadline_ms=600_000.0,
        workload=workload,
        method=choice,
    )
    steps = method(base)(kind(**parameters))
    profile = profile_of(cell, stand_in(cell))
    plan = steps.fit(steps.plan(profile, cell.cluster), profile, Untrained())
    return cell, plan, steps.deploy(plan, profile, cell.cluster)


def free(given):
    """The scenario with kernels that take no time, which plans leave out."""
    kernels = {
        name: dict.fromkeys(table, KernelCost(0.0, 0.0, 0.0))
        for name, table in given.costs.kernels.items()
    }
    return given._replace(costs=msgspec.structs.replace(given.costs, kernels=kernels))


@pytest.mark.parametrize(
    ("base", "cluster", "encoding"),
    [
        *itertools.product(METHODS, ("mixed-4", "rocoin-8"), ("int8",)),
        *itertools.product(("nonn", "rocoin"), ("mixed-8",), ("raw", "int4")),
    ],
)
def test_the_plan_predicts_virtual_time_to_the_nanosecond(base, cluster, encoding, runner):
    cell, plan, deployment = planned(base, cluster, encoding)
    assert plan.predicted_ns == deployment.predicted_latency_ns
    outcome = VirtualDriver(free(scenario(cell, Prepared(deployment, {}, 0))), runner).run()
    for record in outcome.records:
        assert record.status == "ok"
        # Every part of the sum is rounded to a nanosecond by itself.
        assert record.answered_ns - record.intended_ns == pytest.approx(plan.predicted_ns, abs=4)


@pytest.mark.parametrize(
    "ablation",
    [
        {"grouping": "random", "plan_seed": 3},
        {"grouping": "single"},
        {"partition": "uniform"},
        {"partition": "louvain"},
        {"assignment": "greedy"},
        {"assignment": "minimum-cost"},
        {"refine": False},
        {"students": "zoo"},
        {"max_groups": 2, "min_groups": 2},
    ],
)
def test_ablations_of_rocoin_are_predicted_too(ablation, runner):
    cell, plan, deployment = planned("rocoin", "mixed-8", **ablation)
    outcome = VirtualDriver(free(scenario(cell, Prepared(deployment, {}, 0))), runner).run()
    latency_ns = outcome.records[0].answered_ns - outcome.records[0].intended_ns
    assert latency_ns == pytest.approx(plan.predicted_ns, abs=4)
    groups = plan.describe()["groups"]
    if ablation.get("grouping") == "single":
        assert [len(group["devices"]) for group in groups] == [1] * 8
    if "max_groups" in ablation:
        assert len(groups) == 2


def test_hetnonn_gives_each_device_the_largest_student_that_fits():
    """On mixed-8 a budget between the needs of the two students splits the devices."""
    sizes = {}
    for budget in (1.0, 8.0, 1000.0):
        _, plan, _ = planned("hetnonn", "mixed-8", compute_budget_ms=budget)
        sizes[budget] = [student.base for student in plan.students]
    assert set(sizes[1000.0]) == {8}
    assert set(sizes[1.0]) == {4}
    assert sizes[8.0] == sorted(sizes[8.0])


@pytest.mark.parametrize("base", ["ensemble", "replicate"])
def test_rivals_cost_what_rocoin_does(base):
    _, rocoin, spent = planned("rocoin", "mixed-8")
    _, plan, deployment = planned(base, "mixed-8")
    macs, memory = (
        sum(
            weight({s.id: s for s in d.stages}[r.stage])
            for r in d.replicas
            if r.device != "source" or weight is macs_of
        )
        for d, weight in ((spent, macs_of), (spent, bytes_of))
    )
    told = plan.describe()["equal_cost"]
    assert (told["rocoin_macs"], told["rocoin_memory_bytes"]) == (macs, memory)
    stages = {s.id: s for s in deployment.stages}
    ours = sum(macs_of(stages[r.stage]) for r in deployment.replicas if r.device != "source")
    assert told["macs_gap_percent"] == pytest.approx(100 * (ours / macs - 1), abs=0.01)
    assert abs(told["macs_gap_percent"]) < 15
    used = {device for group in rocoin.describe()["groups"] for device in group["devices"]}
    assert {r.device for r in deployment.replicas} - {"source"} == used


def test_an_ensemble_takes_the_fastest_devices_when_told_how_many():
    _, plan, deployment = planned("ensemble", "mixed-8", members=3, student="wrn-10-1-b4")
    assert list(plan.members) == ["d7", "d6", "d5"]
    assert {r.device for r in deployment.replicas} == {"d7", "d6", "d5", "source"}
    told = plan.describe()
    assert {group["runs"] for group in told["groups"]} == {"wrn-10-1-b4"}
    assert "equal_cost" not in told
    assert set(told["unused"]) == {"d0", "d1", "d2", "d3", "d4"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"members": -1}, "say how many members"),
        ({"student": "wrn-10-1-b4"}, "say how many members"),
        ({"members": 9, "student": "wrn-10-1-b4"}, "9 members wanted, 8 of 8"),
        ({"members": 1, "student": "wrn-99"}, "'wrn-99' is not among"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(PlanError, match=said):
        planned("ensemble", "mixed-8", **wrong)


def macs_of(stage):
    return stage.macs


def bytes_of(stage):
    return stage.weights_bytes + stage.activation_bytes
