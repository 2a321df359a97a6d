"""Fusion of multi-branch students, handler by handler, with a context that a test controls."""

from __future__ import annotations

import numpy as np

from coinfer.contract import INPUT, Answer, Arrival, Evaluate, GiveUp, Job, Permit, Stop, Timer
from coinfer.methods.early_exit import EarlyExit, ExitLayout

LAYOUT = ExitLayout(("a", "b"), (2, 2), (1, 2, 3))


def begin(ctx, *, strict=True, tau=0.1, rows=(7,)):
    made = EarlyExit(Job(0, rows, len(rows)), LAYOUT, tau, strict, patience_ns=100)
    images = np.zeros((len(rows), 4), np.float32)
    assert list(made.on_arrival(Arrival(INPUT, "source", rows, images), ctx)) == [
        Timer(100, "late")
    ]
    return made


def portion(k, b, *values, rows=(7,)):
    return Arrival(f"s{k}.e{b}", "ab"[k], rows, np.array(values, np.float32).reshape(len(rows), 2))


def both(fusion, ctx, b, values, rows=(7,)):
    fusion.on_arrival(portion(0, b, *values, rows=rows), ctx)
    return fusion.on_arrival(portion(1, b, *values, rows=rows), ctx)


def test_strict_permits_then_leaves_when_the_features_agree(ctx):
    fusion = begin(ctx)
    assert both(fusion, ctx, 1, (1, 0)) == [Permit("exit2", (7,))]
    evaluate, stop = both(fusion, ctx, 2, (2, 0.001))  # the same direction
    assert (evaluate.stage, evaluate.rows) == ("head2", (7,))
    assert stop == Stop((7,))
    logits = np.array([[0, 9, 1]], np.float32)
    (answer,) = fusion.on_arrival(Arrival("head2", "source", (7,), logits), ctx)
    assert answer == Answer((7,), (1,), exit=2, present=2)


def test_speculative_sends_nothing_until_it_stops(ctx):
    fusion = begin(ctx, strict=False)
    assert both(fusion, ctx, 1, (1, 0)) == []
    assert both(fusion, ctx, 2, (0, 1)) == []  # another direction
    (evaluate,) = both(fusion, ctx, 3, (0, 1))
    assert evaluate.stage == "head3", "the last exit is unconditional"


def test_rows_of_a_batch_decide_each_for_themselves(ctx):
    fusion = begin(ctx, rows=(4, 5))
    both(fusion, ctx, 1, (1, 0, 1, 0), rows=(4, 5))
    evaluate, stop, permit = both(fusion, ctx, 2, (1, 0, 0, 1), rows=(4, 5))
    assert evaluate.rows == (4,)
    assert stop == Stop((4,))
    assert permit == Permit("exit3", (5,))


def test_the_change_is_taken_over_the_partitions_present_at_both_exits(ctx):
    fusion = begin(ctx)
    both(fusion, ctx, 1, (1, 0))
    ctx.lost = {"b"}
    # Zeros in place of b's portion would make a change of its own; a's has none.
    evaluate, _ = fusion.on_arrival(portion(0, 2, 1, 0), ctx)
    assert evaluate.inputs[0].tolist() == [[1, 0, 0, 0]]


def test_late_answers_come_from_the_deepest_complete_exit(ctx):
    fusion = begin(ctx, tau=-1.0)
    both(fusion, ctx, 1, (1, 0))
    both(fusion, ctx, 2, (1, 0))
    fusion.on_arrival(portion(0, 3, 1, 1), ctx)
    (evaluate,) = fusion.on_timer("late", ctx)
    assert evaluate.stage == "head2"
    (answer,) = fusion.on_arrival(
        Arrival("head2", "source", (7,), np.array([[1, 0]], np.float32)), ctx
    )
    assert answer.degraded


def test_late_before_anything_can_answer_takes_the_next_exit_without_a_permit(ctx):
    fusion = begin(ctx)
    both(fusion, ctx, 1, (1, 0))
    assert list(fusion.on_timer("late", ctx)) == []
    (evaluate,) = both(fusion, ctx, 2, (0, 1))
    assert isinstance(evaluate, Evaluate)
    assert evaluate.stage == "head2"


def test_all_devices_lost_is_given_up(ctx):
    fusion = begin(ctx)
    ctx.lost = {"a", "b"}
    assert fusion.on_peer("b", False, ctx) == [GiveUp((7,))]
