"""What is seen of training, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from coinfer.cli.training_view import TrainingView
from coinfer.training import Progress

TERMS = {"label": 0.04, "teacher": 0.3, "transfer": 0.16}


def at(step: int, epoch: int, what: str = "4 × wrn-10-1", left_s: float = 0.0) -> Progress:
    return Progress(what, step, 300, epoch, 3, TERMS, left_s)


def shown(terminal: bool, *steps: Progress, quiet: bool = False) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=terminal, width=100, highlight=False, color_system=None
    )
    with TrainingView(console, quiet) as view:
        for step in steps:
            view.progress(step)
    return stream.getvalue()


def test_a_log_has_the_loss_of_every_epoch_and_the_time_left_now_and_then() -> None:
    text = shown(False, at(20, 1, left_s=3723.4), at(40, 1), at(100, 1), at(120, 2))
    assert text.splitlines() == [
        "4 × wrn-10-1: epoch 1/3, 7 %, 1:02:04 left",
        "4 × wrn-10-1: epoch 1/3: loss 0.500 (label 0.040, teacher 0.300, transfer 0.160)",
    ]


def test_another_model_is_named_at_once() -> None:
    text = shown(False, at(20, 1, left_s=61), at(20, 1, "teacher", left_s=9))
    assert text.splitlines()[1] == "teacher: epoch 1/3, 7 %, 0:09 left"


def test_a_terminal_has_a_bar_and_keeps_the_losses() -> None:
    text = shown(True, at(20, 1), at(100, 1), at(150, 2, "[red] teacher", left_s=65))
    assert "epoch 1/3: loss 0.500 (label 0.040, teacher 0.300, transfer 0.160)" in text
    assert "[red] teacher" in text
    assert "50%" in text
    assert "epoch 2/3, 1:05 left" in text


def test_models_that_are_trained_at_a_time_have_a_bar_each_until_they_are_done() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with TrainingView(console) as view:
        for step in (at(20, 1, "one"), at(20, 1, "two"), at(300, 3, "one")):
            view.progress(step)
        assert [task.description for task in view._bars.tasks] == ["two"]
        view.progress(at(300, 3, "two"))
        view.progress(at(300, 3, "never seen before"))
        assert view._bars.tasks == []


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_is_quiet(terminal: bool) -> None:
    assert shown(terminal, at(100, 1), quiet=True) == ""
