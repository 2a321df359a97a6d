"""Trainings that are cut short, and what goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

from coinfer.models import StudentSpec, TeacherSpec
from coinfer.training import (
    RECIPES,
    Progress,
    Schedule,
    TeacherArtifact,
    Zoo,
    fit_joint,
    fit_single,
    fit_teacher,
    recipe,
    shipped_zoo,
)

SMOKE = recipe("smoke")
SCHEDULE = Schedule(epochs=3, batch=128)
NARROW = TeacherSpec("wrn", 10, 1, base=8)
Train = Callable[[Zoo, Callable[[Progress], None] | None], str]


class Killed(BaseException):
    """Stands for a signal: nothing may catch it."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> TeacherArtifact:
    zoo = Zoo(tmp_path_factory.mktemp("zoo"))
    return fit_teacher("digits", TeacherSpec("wrn", 10, 1), SMOKE.teacher, 0, zoo)


def teach(zoo: Zoo, progress: Callable[[Progress], None] | None) -> str:
    how = msgspec.structs.replace(SMOKE.teacher, schedule=SCHEDULE)
    return fit_teacher("digits", NARROW, how, 0, zoo, progress).address


def of_students(teacher: TeacherArtifact) -> list[Train]:
    how = msgspec.structs.replace(SMOKE.students, schedule=SCHEDULE, portion_dropout=(0.2,))
    student = StudentSpec("wrn", 10, 1, base=8, exits=2)
    cut = [(0, 1, 2), (3, 4)]

    def together(zoo: Zoo, progress: Callable[[Progress], None] | None) -> str:
        return fit_joint("digits", teacher, [student] * 2, cut, how, 0, zoo, progress).address

    def alone(zoo: Zoo, progress: Callable[[Progress], None] | None) -> str:
        return fit_single("digits", teacher, NARROW, how, 0, zoo, progress).address

    return [together, alone]


def kill_in(epoch: int) -> Callable[[Progress], None]:
    def progress(at: Progress) -> None:
        # The teacher's answers on the views report progress of one epoch too.
        if at.epochs == SCHEDULE.epochs and at.epoch == epoch:
            raise Killed

    return progress


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_resumed_training_ends_at_the_same_bits(
    tmp_path: Path, teacher: TeacherArtifact, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coinfer.training.loop._REPORT_EVERY_STEPS", 5)
    train = [teach, *of_students(teacher)][number]
    whole, cut = Zoo(tmp_path / "whole"), Zoo(tmp_path / "cut")
    address = train(whole, None)
    for epoch in (2, 3):
        with pytest.raises(Killed):
            train(cut, kill_in(epoch))
        assert cut.unfinished(address).is_file()
        assert cut.get(address) is None
    assert train(cut, None) == address
    expected, found = whole.get(address), cut.get(address)
    assert expected is not None
    assert found is not None
    assert found.weights_sha256 == expected.weights_sha256
    assert found.record["training"]["resumed_after"] == [1, 2]
    assert found.record["training"]["epochs"] == expected.record["training"]["epochs"]
    assert len(found.record["training"]["epochs"]) == 3
    assert "resumed_after" not in expected.record["training"]
    for zoo in (whole, cut):
        assert not list((zoo.root / "unfinished").iterdir()), "removed when it is done"


def test_a_damaged_state_is_begun_anew(tmp_path: Path) -> None:
    zoo = Zoo(tmp_path)
    with pytest.raises(Killed):
        teach(zoo, kill_in(3))
    (path,) = (tmp_path / "unfinished").iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    found = zoo.get(teach(zoo, None))
    assert found is not None
    assert "resumed_after" not in found.record["training"]


def test_the_recipes_are_those_of_the_shipped_models() -> None:
    """Another default, or another field, would give all of them new addresses."""
    known = [
        msgspec.json.decode(msgspec.json.encode(part))
        for one in RECIPES.values()
        for part in (one.teacher, one.students)
    ]
    recipes = [
        description["inputs"]["recipe"]
        for description in map(json.loads, map(Path.read_text, shipped_zoo().glob("*.json")))
        if description["inputs"]["what"] in {"teacher", "joint"}
    ]
    assert recipes
    assert [found for found in recipes if found not in known] == []
