"""Several processes train what a suite lacks: everything once, and errors come through."""

from __future__ import annotations

import multiprocessing

import pytest

from coinfer.errors import DatasetError, ExecutionError
from coinfer.execute import train
from coinfer.execute.prepare import fitted
from coinfer.execute.training import _share
from coinfer.execute.untrained import untrained
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite
from coinfer.training import Progress, Zoo

SUITE = """
schema = 1
name = "three"
question = "Who trains what?"

[defaults]
dataset = "digits"
workload = { kind = "single-stream", requests = 10 }

[axes]
method = ["pair", "one", "replicate"]
cluster = ["mixed-4"]
train_seed = [0]

[method.pair]
base = "ensemble"
members = 2

[method.one]
base = "ensemble"
members = 1
"""

MAKES = """
import os
from coinfer.errors import DatasetError

def die(cell, on_progress, zoo):
    os._exit(9)

def miss(cell, on_progress, zoo):
    raise DatasetError("no digits here; count on your fingers")
"""


@pytest.fixture
def cells(tmp_path, monkeypatch):
    monkeypatch.setenv("COINFER_ZOO", str(tmp_path / "zoo"))
    path = tmp_path / "three.toml"
    path.write_text(SUITE)
    return expand(load_suite(str(path)), parameter_types(), {})


@pytest.mark.slow
def test_every_model_is_trained_once_and_nothing_a_second_time(cells):
    told: list[Progress] = []
    train(cells, told.append, workers=2)
    ends = sorted(at.what for at in told if at.done and at.terms)
    # The ensemble of one is a member of the other.
    pair = [f"wrn-10-1-b4 alone, member {n}, seed 0" for n in range(2)]
    assert ends == [*pair, "wrn-10-1-b8 alone, member 0, seed 0"]
    assert not untrained(cells).cells
    assert {a.inputs["what"] for a in Zoo().ls() if a.path.parent == Zoo().root} >= {"single"}
    told.clear()
    train(cells, told.append, workers=2)
    assert told == []
    assert multiprocessing.active_children() == []


@pytest.fixture
def makes(tmp_path, monkeypatch):
    (tmp_path / "made_up_makes.py").write_text(MAKES)
    monkeypatch.syspath_prepend(tmp_path)
    import made_up_makes

    return made_up_makes


def test_an_error_of_a_trainer_is_raised_here_and_the_others_end(cells, makes):
    with pytest.raises(DatasetError, match="count on your fingers"):
        _share(makes.miss, cells, lambda _: None, 2, Zoo())
    assert multiprocessing.active_children() == []


def test_a_trainer_that_is_lost_is_told_of_in_a_line(cells, makes):
    with pytest.raises(ExecutionError, match=r"exit code 9; .*the same command does the rest"):
        _share(makes.die, cells, lambda _: None, 2, Zoo())
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_who_is_interrupted_leaves_no_trainer_behind(cells):
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _share(fitted, cells, interrupt, 2, Zoo())
    assert multiprocessing.active_children() == []
