"""Fusion of multi-branch students, handler by handler, with a context that a test controls."""

from __future__ import annotations

import numpy as np

from coinfer.contract import INPUT, Answer, Arrival, Evaluate, GiveUp, Job, Permit, Stop, Timer
from coinfer.methods.early_exit import EarlyExit
from coinfer.methods.gathered import ExitLayout
from coinfer.methods.rules.blind import Never
from coinfer.methods.rules.confidence import MaxProbability
from coinfer.methods.rules.feature_difference import FeatureDifference
from coinfer.methods.rules.patience import Patience

LAYOUT = ExitLayout(("a", "b"), (2, 2), (1, 2, 3))


def begin(ctx, *, strict=True, rule=None, tau=0.1, rows=(7,)):
    rule = rule or FeatureDifference()
    made = EarlyExit(Job(0, rows, len(rows)), LAYOUT, rule, (tau, tau), strict, patience_ns=100)
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
    fusion = begin(ctx, rule=Never())
    both(fusion, ctx, 1, (1, 0))
    both(fusion, ctx, 2, (1, 0))
    fusion.on_arrival(portion(0, 3, 1, 1), ctx)
    (evaluate,) = fusion.on_timer("late", ctx)
    assert evaluate.stage == "head2"
    (answer,) = fusion.on_arrival(
        Arrival("head2", "source", (7,), np.array([[1, 0]], np.float32)), ctx
    )
    assert answer.degraded


def test_late_takes_exit_1_also_where_the_rule_lets_nothing_out_there(ctx):
    fusion = begin(ctx)
    both(fusion, ctx, 1, (1, 0))
    fusion.on_arrival(portion(0, 2, 1, 0), ctx)
    (evaluate,) = fusion.on_timer("late", ctx)
    assert isinstance(evaluate, Evaluate)
    assert (evaluate.stage, evaluate.inputs[0].tolist()) == ("head1", [[1, 0, 1, 0]])


def test_late_before_exit_1_is_complete_takes_zeros_for_what_is_missing(ctx):
    fusion = begin(ctx)
    fusion.on_arrival(portion(1, 1, 2, 3), ctx)
    (evaluate,) = fusion.on_timer("late", ctx)
    assert (evaluate.stage, evaluate.inputs[0].tolist()) == ("head1", [[0, 0, 2, 3]])
    logits = Arrival("head1", "source", (7,), np.array([[0, 1]], np.float32))
    assert fusion.on_arrival(logits, ctx) == [Answer((7,), (1,), exit=1, degraded=True, present=1)]
    assert fusion.on_arrival(portion(0, 1, 1, 1), ctx) == [], "what comes later changes nothing"


def test_late_with_nothing_there_answers_with_the_first_portion(ctx):
    fusion = begin(ctx)
    assert list(fusion.on_timer("late", ctx)) == []
    (evaluate,) = fusion.on_arrival(portion(0, 1, 5, 6), ctx)
    assert (evaluate.stage, evaluate.inputs[0].tolist()) == ("head1", [[5, 6, 0, 0]])


def test_late_with_nothing_there_and_all_lost_is_given_up(ctx):
    fusion = begin(ctx)
    fusion.on_timer("late", ctx)
    ctx.lost = {"a", "b"}
    assert fusion.on_peer("b", False, ctx) == [GiveUp((7,))]


def test_all_devices_lost_is_given_up(ctx):
    fusion = begin(ctx)
    ctx.lost = {"a", "b"}
    assert fusion.on_peer("b", False, ctx) == [GiveUp((7,))]


def logits(fusion, ctx, b, *values, rows=(7,)):
    value = np.array(values, np.float32).reshape(len(rows), 3)
    return fusion.on_arrival(Arrival(f"head{b}", "source", rows, value), ctx)


def test_a_rule_that_reads_logits_asks_the_head_first_and_answers_from_it(ctx):
    fusion = begin(ctx, rule=MaxProbability(), tau=0.9, rows=(4, 5))
    (evaluate,) = both(fusion, ctx, 1, (1, 0, 0, 1), rows=(4, 5))
    assert (evaluate.stage, evaluate.rows) == ("head1", (4, 5))
    found = logits(fusion, ctx, 1, 0, 9, 0, 1, 0, 0, rows=(4, 5))
    assert found == [Answer((4,), (1,), exit=1, present=2), Stop((4,)), Permit("exit2", (5,))]
    (evaluate,) = both(fusion, ctx, 2, (1, 0), rows=(5,))
    assert evaluate.rows == (5,)


def test_speculative_portions_wait_for_the_head_of_the_exit_before(ctx):
    fusion = begin(ctx, strict=False, rule=MaxProbability(), tau=0.9)
    both(fusion, ctx, 1, (1, 0))
    assert both(fusion, ctx, 2, (1, 0)) == []
    (evaluate,) = logits(fusion, ctx, 1, 1, 0, 0)
    assert evaluate.stage == "head2"
    assert logits(fusion, ctx, 2, 0, 0, 9) == [Answer((7,), (2,), exit=2, present=2), Stop((7,))]


def test_patience_counts_row_by_row_what_exits_have_said(ctx):
    fusion = begin(ctx, rule=Patience(), tau=1, rows=(4, 5))
    both(fusion, ctx, 1, (1, 0, 0, 1), rows=(4, 5))
    assert logits(fusion, ctx, 1, 1, 0, 0, 0, 1, 0, rows=(4, 5)) == [Permit("exit2", (4, 5))]
    both(fusion, ctx, 2, (1, 0, 0, 1), rows=(4, 5))
    answer, stop, _ = logits(fusion, ctx, 2, 0, 1, 0, 0, 1, 0, rows=(4, 5))
    assert (answer.rows, answer.labels, stop.rows) == ((5,), (1,), (5,))


def test_late_answers_take_what_a_head_has_said_already(ctx):
    fusion = begin(ctx, rule=MaxProbability(), tau=0.9)
    both(fusion, ctx, 1, (1, 0))
    logits(fusion, ctx, 1, 0, 1, 0)
    (answer,) = fusion.on_timer("late", ctx)
    assert answer == Answer((7,), (1,), exit=1, degraded=True, present=2)


def test_late_while_a_head_is_running_answers_from_it(ctx):
    fusion = begin(ctx, rule=MaxProbability(), tau=0.9)
    both(fusion, ctx, 1, (1, 0))
    assert list(fusion.on_timer("late", ctx)) == []
    answer, stop = logits(fusion, ctx, 1, 0, 1, 0)
    assert (answer.labels, answer.degraded, stop.rows) == ((1,), True, (7,))
