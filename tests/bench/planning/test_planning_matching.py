"""The assignment rules against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coinfer.errors import PlanError
from coinfer.planning import assign_bottleneck, assign_greedy, assign_minimum_cost

COSTS = st.integers(1, 5).flatmap(
    lambda k: hnp.arrays(
        np.float64,
        (k, k),
        elements=st.one_of(st.integers(0, 6).map(float), st.floats(0, 10), st.just(np.inf)),
    )
)


def assignments(costs: np.ndarray) -> list[np.ndarray]:
    rows = np.arange(len(costs))
    return [costs[rows, list(columns)] for columns in itertools.permutations(rows)]


@settings(max_examples=200, deadline=None)
@given(costs=COSTS)
def test_bottleneck_and_minimum_cost_are_exact(costs: np.ndarray) -> None:
    possible = [chosen for chosen in assignments(costs) if np.isfinite(chosen).all()]
    if not possible:
        for assign in (assign_bottleneck, assign_minimum_cost):
            with pytest.raises(PlanError, match="assignment"):
                assign(costs)
        return
    rows = np.arange(len(costs))
    found = costs[rows, list(assign_bottleneck(costs))]
    least = min(chosen.max() for chosen in possible)
    assert found.max() == least
    ties = [chosen.sum() for chosen in possible if chosen.max() == least]
    assert found.sum() == pytest.approx(min(ties))
    cheapest = costs[rows, list(assign_minimum_cost(costs))]
    assert cheapest.sum() == pytest.approx(min(chosen.sum() for chosen in possible))


def test_the_two_rules_differ_where_the_objective_is_the_largest() -> None:
    costs = np.array([[1.0, 5.0], [5.0, 8.0]])
    assert assign_bottleneck(costs) == (1, 0)
    assert assign_minimum_cost(costs) == (0, 1)
    assert assign_greedy(costs) == (0, 1)


def test_greedy_says_when_it_ends_in_an_impossible_pair() -> None:
    with pytest.raises(PlanError, match="use bottleneck"):
        assign_greedy(np.array([[1.0, 2.0], [1.0, np.inf]]))
