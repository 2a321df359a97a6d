"""Fusion of portions, handler by handler, with a context that a test controls."""

from __future__ import annotations

import numpy as np
import pytest

from coinfer.contract import INPUT, Answer, Arrival, Evaluate, GiveUp, Job, Stop, Timer
from coinfer.methods.portion_fusion import PortionFusion, PortionHead, PortionLayout
from coinfer.methods.portions import late_after_ns

LAYOUT = PortionLayout(("s0", "s1"), (2, 3), (("a", "b"), ("c",)))
ZEROS = PortionHead("head", np.zeros(5, np.float32))


@pytest.fixture
def fusion(ctx):
    made = PortionFusion(Job(0, (7,), 1), LAYOUT, ZEROS, patience_ns=100)
    rows = np.zeros((1, 4), np.float32)
    assert made.on_arrival(Arrival(INPUT, "source", (7,), rows), ctx) == [Timer(100, "late")]
    return made


def portion(stage, device, *values):
    return Arrival(stage, device, (7,), np.array([values], np.float32))


def vector(actions):
    (evaluate,) = actions
    assert isinstance(evaluate, Evaluate)
    return evaluate.inputs[0].tolist()


def test_portions_are_joined_in_partition_order_whoever_comes_first(fusion, ctx):
    assert fusion.on_arrival(portion("s1", "c", 3, 4, 5), ctx) == []
    assert vector(fusion.on_arrival(portion("s0", "b", 1, 2), ctx)) == [[1, 2, 3, 4, 5]]


def test_zeros_stand_in_when_the_last_device_of_a_group_is_lost(fusion, ctx):
    fusion.on_arrival(portion("s1", "c", 3, 4, 5), ctx)
    ctx.lost = {"a"}
    assert fusion.on_peer("a", False, ctx) == []
    ctx.lost = {"a", "b"}
    assert vector(fusion.on_peer("b", False, ctx)) == [[0, 0, 3, 4, 5]]
    logits = np.array([[0, 5, 1]], np.float32)
    (answer,) = fusion.on_arrival(Arrival("head", "source", (7,), logits), ctx)
    assert answer == Answer((7,), (1,), degraded=True, present=1)


def test_slower_replicas_are_stopped_where_that_is_asked_for(ctx):
    made = PortionFusion(Job(0, (7,), 1), LAYOUT, ZEROS, patience_ns=100, stop_others=True)
    made.on_arrival(portion("s0", "a", 1, 2), ctx)
    made.on_arrival(portion("s1", "c", 3, 4, 5), ctx)
    logits = np.array([[0, 5, 1]], np.float32)
    answer, stop = made.on_arrival(Arrival("head", "source", (7,), logits), ctx)
    assert answer == Answer((7,), (1,), degraded=False, present=2)
    assert stop == Stop((7,))


def test_late_portions_are_not_waited_for(fusion, ctx):
    fusion.on_arrival(portion("s0", "a", 1, 2), ctx)
    assert vector(fusion.on_timer("late", ctx)) == [[1, 2, 0, 0, 0]]
    assert fusion.on_arrival(portion("s1", "c", 3, 4, 5), ctx) == [], "decided once"


def test_where_nothing_has_come_in_time_the_first_portion_answers(fusion, ctx):
    assert fusion.on_timer("late", ctx) == []
    assert vector(fusion.on_arrival(portion("s1", "c", 3, 4, 5), ctx)) == [[0, 0, 3, 4, 5]]


def test_all_devices_lost_is_given_up(fusion, ctx):
    ctx.lost = {"a", "b", "c"}
    assert fusion.on_peer("c", False, ctx) == [GiveUp((7,))]


def test_patience_leaves_time_before_the_deadline():
    assert late_after_ns(100, 1.5, 1000, rows=1) == 150
    assert late_after_ns(100, 1.5, 1000, rows=4) == 600, "the prediction is for one row"
    assert late_after_ns(900, 1.5, 1000, rows=1) == 850


def test_a_row_that_has_left_its_job_takes_no_other_with_it(ctx):
    """Row 8 timed out: c had been told when it began, a had not."""
    made = PortionFusion(Job(0, (7, 8, 9), 3), LAYOUT, ZEROS, patience_ns=100)
    some = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert made.on_arrival(Arrival("s0", "a", (7, 8, 9), some), ctx) == []
    fewer = np.array([[1, 1, 1], [2, 2, 2]], np.float32)
    assert vector(made.on_arrival(Arrival("s1", "c", (7, 9), fewer), ctx)) == [
        [1, 2, 1, 1, 1],
        [3, 4, 0, 0, 0],
        [5, 6, 2, 2, 2],
    ]
