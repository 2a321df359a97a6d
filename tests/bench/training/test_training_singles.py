"""Small classifiers that answer alone: what `replicate` and `ensemble` deploy."""

from pathlib import Path

import msgspec
import pytest
import torch

import coinfer_datasets
from coinfer.errors import UsageError
from coinfer.models import Classifier, StudentSpec, TeacherSpec, build, classifier_stage
from coinfer.training import (
    Schedule,
    SingleArtifact,
    TeacherArtifact,
    Zoo,
    fit_single,
    fit_teacher,
    recipe,
)

SMOKE = recipe("smoke")
TEACHER = TeacherSpec("wrn", 10, 1)
QUICK = msgspec.structs.replace(SMOKE.students, schedule=Schedule(epochs=6, batch=64))
SMALL = TeacherSpec.like(StudentSpec("wrn", 10, 1, base=8, exits=2))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """A zoo of one's own beside the shipped one, whose digits teacher is taken."""
    return Zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="module")
def teacher(zoo: Zoo) -> TeacherArtifact:
    return fit_teacher("digits", TEACHER, SMOKE.teacher, 0, zoo)


@pytest.fixture(scope="module")
def single(zoo: Zoo, teacher: TeacherArtifact) -> SingleArtifact:
    return fit_single("digits", teacher, SMALL, QUICK, 0, zoo)


def test_a_single_classifier_is_learnt_and_its_stage_reaches_what_the_record_says(
    zoo: Zoo, teacher: TeacherArtifact, single: SingleArtifact
) -> None:
    stage = classifier_stage("m0", single.spec, single.shape, single.classes, single.weights_sha256)
    module = build(stage.module, zoo.weights(single.weights_sha256))
    assert isinstance(module, Classifier)
    data = coinfer_datasets.load("digits")
    with torch.inference_mode():
        logits = module(torch.from_numpy(data.normalise(data.validation.images)))
    right = (logits.argmax(dim=1).numpy() == data.validation.labels).mean()
    assert right == pytest.approx(single.validation_accuracy, abs=0.003)
    assert right > 0.85
    assert stage.output == (10,)
    found = zoo.get(single.address)
    assert found is not None
    assert set(found.record["training"]["terms"]) == {"label", "teacher"}


def test_members_are_different_networks(
    zoo: Zoo, teacher: TeacherArtifact, single: SingleArtifact
) -> None:
    shortest = msgspec.structs.replace(QUICK, schedule=Schedule(epochs=1, batch=256))
    made = [
        fit_single("digits", teacher, SMALL, shortest, seed, zoo, member=member)
        for seed, member in ((0, 0), (0, 1), (1, 0))
    ]
    assert len({one.weights_sha256 for one in [single, *made]}) == 4


def test_it_is_found_again_whatever_concerns_portions_alone(
    zoo: Zoo, teacher: TeacherArtifact, single: SingleArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coinfer_datasets, "load", None)
    other = msgspec.structs.replace(QUICK, beta=1.0, portion_dropout=(0.1,))
    assert fit_single("digits", teacher, SMALL, other, 0, zoo) == single


def test_another_data_set_is_refused(teacher: TeacherArtifact, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trained on digits"):
        fit_single("fashion-mnist", teacher, SMALL, QUICK, 0, Zoo(tmp_path))
