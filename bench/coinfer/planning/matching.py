"""Matches groups with partitions, given what each pair costs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from coinfer.errors import PlanError

Costs = npt.NDArray[np.float64]
Assignment = tuple[int, ...]
"""Column of each row, all different."""


def assign_bottleneck(costs: Costs) -> Assignment:
    """Minimise the largest cost of an assignment, exactly; among those, the sum.

    Binary search over the costs for the least threshold under which a perfect matching exists.

    Parameters
    ----------
    costs : ndarray, shape (K, K)
        Not negative; infinite where a pair is impossible.

    Raises
    ------
    PlanError
        If every assignment has an impossible pair.
    """
    cheapest = assign_minimum_cost(costs)
    # Nothing is below the largest of the rows' and columns' least; the least sum is an assignment.
    least = max(costs.min(axis=0).max(), costs.min(axis=1).max())
    most = costs[np.arange(len(costs)), list(cheapest)].max()
    levels = np.unique(costs[(costs >= least) & (costs <= most)])
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        if _has_perfect_matching(costs <= levels[middle]):
            high = middle
        else:
            low = middle + 1
    return _least_sum(np.where(costs <= levels[low], costs, np.inf))


def assign_minimum_cost(costs: Costs) -> Assignment:
    """Minimise the sum of the costs (Kuhn–Munkres); see `assign_bottleneck`."""
    try:
        return _least_sum(costs)
    except ValueError:
        raise PlanError(
            "assignment: no one-to-one assignment of groups to partitions is possible; some group "
            "can run no student of any free partition"
        ) from None


def assign_greedy(costs: Costs) -> Assignment:
    """Give each row in turn its cheapest free column (ablation); see `assign_bottleneck`."""
    chosen: list[int] = []
    for row in costs:
        free = [column for column in range(len(row)) if column not in chosen]
        chosen.append(min(free, key=row.__getitem__))
    if not np.isfinite(costs[np.arange(len(costs)), chosen]).all():
        raise PlanError("assignment: the greedy rule ends in an impossible pair; use bottleneck")
    return tuple(chosen)


ASSIGNERS: dict[str, Callable[[Costs], Assignment]] = {
    "bottleneck": assign_bottleneck,
    "minimum-cost": assign_minimum_cost,
    "greedy": assign_greedy,
}
"""The assignment rules by name."""


# SciPy is imported late: a board that only loads weights passes through here and has none.
def _has_perfect_matching(allowed: npt.NDArray[np.bool_]) -> bool:
    rows, columns = _matched((~allowed).astype(np.float64))
    return bool(allowed[rows, columns].all())


def _least_sum(costs: Costs) -> Assignment:
    return tuple(_matched(costs)[1].tolist())


def _matched(costs: Costs) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(costs)
    return rows, columns
