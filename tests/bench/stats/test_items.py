"""McNemar's test against its definition, and where it finds its items."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coinfer.metrics import METRICS
from coinfer.stats import Rules, grades_of, seeds_that_differ, within_run
from coinfer.stats.items import Graded, ItemTest, item_test
from coinfer.store import resolve_run


def graded(right, items=None):
    return Graded(np.arange(len(right)) if items is None else np.array(items), np.array(right))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=10))
def test_it_is_the_share_of_coin_tosses_that_are_as_uneven(pairs):
    base, new = zip(*pairs, strict=True)
    found = item_test("0/0/0", graded(base), graded(new))
    told = [b - a for a, b in pairs if a != b]
    assert found.only_base + found.only_new == len(told)
    tosses = list(itertools.product((-1, 1), repeat=len(told)))
    as_uneven = sum(abs(sum(toss)) >= abs(sum(told)) for toss in tosses) / len(tosses)
    assert found.p_value == pytest.approx(as_uneven)


def test_other_items_are_not_compared():
    assert item_test("0", graded([True, False]), graded([True, True], [1, 0])) is None


def test_seeds_are_judged_together():
    tests = [ItemTest(str(n), 0, 9, p) for n, p in enumerate((0.001, 0.04, 0.5, 0.9))]
    assert seeds_that_differ(tests, 0.05) == 1  # 0.04 * 4 / 2 is too much
    assert seeds_that_differ(tests[:2], 0.05) == 2
    assert seeds_that_differ([], 0.05) == 0


def test_answers_of_a_run_are_those_its_accuracy_counts():
    run = resolve_run(Path("reference/quickstart"))
    cells = run.contents().cells
    grades = grades_of(run)
    for stored in cells[:6]:
        assert grades(stored).right.mean() == pytest.approx(stored.figures["accuracy"])
    where = {"faults": "one-crash"}
    rows = within_run(
        *(cells, [METRICS["accuracy"], METRICS["latency_p50_ms"]], Rules()),
        base="nonn",
        against=["rocoin"],
        where=where,
        grades=grades,
    )
    accuracy, latency = rows
    assert latency.items == ()
    assert [test.seed for test in accuracy.items] == [f"0/{seed}/0" for seed in range(6)]
    balance = sum(test.only_new - test.only_base for test in accuracy.items) / (6 * 500)
    assert balance == pytest.approx(accuracy.difference)
