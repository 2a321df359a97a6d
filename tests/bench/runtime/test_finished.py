"""What is remembered of jobs that are over stays small, however long the run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coinfer.runtime.finished import LATER_JOBS, Finished


@given(order=st.permutations(range(40)), count=st.integers(0, 40))
def test_it_is_a_set_of_numbers(order, count):
    over = Finished()
    for number in order[:count]:
        over.add(number)
    assert [n for n in range(45) if n in over] == sorted(order[:count])
    for number in order[:count]:
        over.add(number)
    assert [n for n in range(45) if n in over] == sorted(order[:count])


def test_in_order_nothing_is_kept_one_by_one():
    over = Finished()
    for number in range(100_000):
        over.add(number)
    assert len(over) == 0
    assert 99_999 in over
    assert 100_000 not in over


def test_jobs_that_never_came_are_over_at_last():
    over = Finished()
    seen = [number for number in range(100_000) if number % 10]
    for number in seen:
        over.add(number)
        assert len(over) <= LATER_JOBS
    assert 0 in over
    assert seen[-1] in over
    newest_gap = 99_990
    assert newest_gap not in over
