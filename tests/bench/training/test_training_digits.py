"""Training end to end on digits, and what then needs no images any more."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

import coinfer_datasets
from coinfer.contract import INPUT
from coinfer.errors import PlanError, UsageError
from coinfer.models import StudentSpec, TeacherSpec, build, student_stages, teacher_stage
from coinfer.planning import PlanDevice, StudentOption, plan_rocoin
from coinfer.training import (
    JointArtifact,
    Progress,
    Schedule,
    TeacherArtifact,
    Zoo,
    fit_joint,
    fit_teacher,
    load_joint,
    load_teacher,
    recipe,
    remembered_partitions,
    remembering_partitioner,
    split_outputs,
)

TEACHER = TeacherSpec("wrn", 10, 1)
STUDENT = StudentSpec("wrn", 10, 1, base=8, exits=2)
SMOKE = recipe("smoke")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("zoo")
    return Zoo(folder / "user", folder / "shipped")


@pytest.fixture(scope="module")
def teacher(zoo: Zoo) -> TeacherArtifact:
    return fit_teacher("digits", TEACHER, SMOKE.teacher, 0, zoo)


@pytest.fixture(scope="module")
def joint(zoo: Zoo, teacher: TeacherArtifact) -> JointArtifact:
    cut = remembered_partitions(teacher, "ncut", 2, 0, zoo)
    return fit_joint("digits", teacher, [STUDENT] * 2, cut.partitions, SMOKE.students, 0, zoo)


@pytest.fixture
def no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("images were loaded")

    monkeypatch.setattr(coinfer_datasets, "load", refuse)


def test_digits_are_learnt_in_seconds(teacher: TeacherArtifact, joint: JointArtifact) -> None:
    assert teacher.validation_accuracy > 0.9
    assert teacher.filters == 64
    assert teacher.activation_graph.shape == (64, 64)
    assert joint.exits == 2
    assert joint.validation_accuracy[-1] > 0.85


def test_what_the_zoo_has_needs_no_images(
    no_images: None, zoo: Zoo, teacher: TeacherArtifact, joint: JointArtifact
) -> None:
    again = fit_teacher("digits", TEACHER, SMOKE.teacher, 0, zoo)
    assert again.weights_sha256 == teacher.weights_sha256
    np.testing.assert_array_equal(again.activation_graph, teacher.activation_graph)
    partitions = remembered_partitions(again, "ncut", 2, 0, zoo).partitions
    assert fit_joint("digits", again, [STUDENT] * 2, partitions, SMOKE.students, 0, zoo) == joint


def test_the_record_says_how_it_was_made(zoo: Zoo, joint: JointArtifact) -> None:
    found = zoo.get(joint.address)
    assert found is not None
    assert found.inputs["recipe"]["beta"] == 5.0
    assert set(found.record["training"]["terms"]) == {"label", "teacher", "transfer"}
    # β must make the transfer matter: no term may be lost beside the others.
    terms = found.record["training"]["terms"]
    assert terms["transfer"] > 0.05 * sum(terms.values())
    assert {"torch", "cpu_isa", "threads"} <= set(found.record["provenance"])


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    quick = msgspec.structs.replace(SMOKE.teacher, schedule=Schedule(epochs=1, batch=64))
    small = TeacherSpec("wrn", 10, 1, base=4)
    runs = [
        fit_teacher("digits", small, quick, seed, Zoo(tmp_path / name, tmp_path)).weights_sha256
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert runs[0] == runs[1] != runs[2]


def test_calibration_outputs_are_those_of_the_model(
    zoo: Zoo, joint: JointArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = split_outputs(joint, zoo)
    data = coinfer_datasets.load("digits")
    x = torch.from_numpy(data.normalise(data.calibration.images))
    with torch.inference_mode():
        expected = load_joint(joint, zoo)(x)
    np.testing.assert_array_equal(found.labels, data.calibration.labels)
    for b in range(joint.exits):
        features = torch.cat(expected.portions[b], dim=1).numpy()
        np.testing.assert_allclose(found.features[b], features, rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(found.logits[b], expected.logits[b].numpy(), atol=1e-4)
    means = found.class_means(1)
    assert means.shape == (10, 64)
    expected_mean = found.features[0][found.labels == 3].mean(axis=0)
    np.testing.assert_allclose(means[3], expected_mean, rtol=1e-5)
    np.testing.assert_array_equal(found.right[1], found.logits[1].argmax(axis=1) == found.labels)
    np.testing.assert_array_equal(found.subset(slice(3, 9)).logits, found.logits[:, 3:9])
    monkeypatch.setattr(coinfer_datasets, "load", None)
    assert split_outputs(joint, zoo).sha256 == found.sha256


def test_stages_of_artifacts_run_with_the_zoos_weights(
    zoo: Zoo, teacher: TeacherArtifact, joint: JointArtifact
) -> None:
    x = torch.randn(3, *joint.spec.shape)
    with torch.inference_mode():
        expected = load_joint(joint, zoo)(x)
        values = {INPUT: x}
        for stage in student_stages(joint.spec, 1, joint.weights_sha256):
            assert stage.module.weights_sha256 is not None
            module = build(stage.module, zoo.weights(stage.module.weights_sha256))
            values[stage.id] = module(values[stage.needs[0].stage])
        torch.testing.assert_close(values["s1.e2"], expected.portions[1][1])
        whole = teacher_stage(teacher.spec, teacher.shape, 10, teacher.weights_sha256)
        logits = build(whole.module, zoo.weights(teacher.weights_sha256))(x)
        torch.testing.assert_close(logits, load_teacher(teacher, zoo)(x))


def test_a_plan_uses_the_partitions_that_the_zoo_remembers(
    zoo: Zoo, teacher: TeacherArtifact
) -> None:
    devices = [PlanDevice(f"d{n}", 1e7, 800, 10**6, 0.1) for n in range(4)]
    option = StudentOption(STUDENT, 600_000, 100_000)
    plan = plan_rocoin(
        devices,
        teacher.activation_graph,
        [option],
        lambda filters: filters,
        epsilon=-100.0,
        partitioner=remembering_partitioner(teacher, "ncut", zoo),
    )
    stored = remembered_partitions(teacher, "ncut", len(plan.groups), 0, zoo)
    assert plan.partitions == stored.partitions
    with pytest.raises(PlanError):
        remembered_partitions(teacher, "ncut", 1000, 0, zoo)
    with pytest.raises(UsageError, match="ncut, louvain, uniform"):
        remembered_partitions(teacher, "kmeans", 2, 0, zoo)


def test_failout_and_progress(zoo: Zoo, teacher: TeacherArtifact, joint: JointArtifact) -> None:
    seen: list[Progress] = []
    failout = msgspec.structs.replace(
        SMOKE.students, schedule=Schedule(epochs=2, batch=256), portion_dropout=(0.5,)
    )
    student = msgspec.structs.replace(STUDENT, exits=1)
    made = fit_joint(
        "digits", teacher, [student] * 2, joint.partitions, failout, 0, zoo, seen.append
    )
    assert made.address != joint.address
    assert seen[-1].step == seen[-1].steps == 2 * (1078 // 256)
    assert seen[-1].epoch == 2
    assert set(seen[-1].terms) == {"label", "teacher", "transfer"}


def test_another_order_of_the_same_students_trains_nothing(
    zoo: Zoo, teacher: TeacherArtifact
) -> None:
    """The plan of another cluster names its groups otherwise; the network is the same."""
    how = msgspec.structs.replace(
        SMOKE.students, schedule=Schedule(epochs=1, batch=256), portion_dropout=(0.0, 0.1, 0.2)
    )
    narrow = msgspec.structs.replace(STUDENT, base=4)
    cut: list[tuple[int, ...]] = [(9, 3), (1, 2, 5), (4,)]
    students = [STUDENT, narrow, narrow]
    first = fit_joint("digits", teacher, students, cut, how, 0, zoo)
    other = msgspec.structs.replace(how, portion_dropout=(0.2, 0.0, 0.1))
    seen: list[Progress] = []
    turned = fit_joint(
        "digits",
        teacher,
        [narrow, STUDENT, narrow],
        [(4,), (9, 3), (1, 2, 5)],
        other,
        0,
        zoo,
        seen.append,
    )
    assert seen == []
    assert turned.spec.filters == (1, 2, 3)
    x = torch.randn(6, 1, 8, 8)
    with torch.inference_mode():
        a, b = load_joint(first, zoo)(x), load_joint(turned, zoo)(x)
    for exit_ in range(2):
        torch.testing.assert_close(a.logits[exit_], b.logits[exit_])
        for k, place in enumerate((1, 2, 0)):
            torch.testing.assert_close(a.portions[exit_][k], b.portions[exit_][place])


def test_what_does_not_fit_is_refused_before_training(
    no_images: None, zoo: Zoo, teacher: TeacherArtifact
) -> None:
    def fitted(
        partitions: object = ((0, 1), (2,)), dataset: str = "digits", **changes: object
    ) -> None:
        changed = msgspec.structs.replace(SMOKE.students, **changes)
        fit_joint(dataset, teacher, [STUDENT] * 2, partitions, changed, 0, zoo)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="trained on digits"):
        fitted(dataset="fashion-mnist/test-2000")
    with pytest.raises(UsageError, match="disjoint"):
        fitted(partitions=((0, 1), (1,)))
    with pytest.raises(UsageError, match="below 64"):
        fitted(partitions=((0, 64), (1,)))
    with pytest.raises(UsageError, match="2 students for 1"):
        fitted(partitions=((0,),))
    with pytest.raises(UsageError, match="3 exit weights for 2"):
        fitted(exit_weights=(1.0, 1.0, 1.0))
    with pytest.raises(UsageError, match="3 dropout rates"):
        fitted(portion_dropout=(0.1, 0.1, 0.1))
    with pytest.raises(UsageError, match="no training recipe"):
        recipe("none")


def test_artifacts_are_plain_values(teacher: TeacherArtifact, joint: JointArtifact) -> None:
    assert dataclasses.replace(joint) == joint
    with pytest.raises(dataclasses.FrozenInstanceError):
        teacher.filters = 1  # type: ignore[misc]
