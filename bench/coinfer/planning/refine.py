"""Moves boundary filters from the slowest group's partition to those of faster ones [ours]."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coinfer.planning.partition import Graph, ncut_value
from coinfer.planning.problem import Candidate, Problem

FEWEST_FILTERS = 2
"""What a partition keeps [ours]: the L2-normalised portion of one filter alone is constant where it
fires, which teaches its student nothing, and nearly without a bound on its slope where it does
not."""


def refined(
    problem: Problem, start: Candidate, graph: Graph, epsilon: float
) -> tuple[Candidate, int]:
    """Move filters to a fixpoint, and count how many moved.

    Parameters
    ----------
    problem : Problem
    start : Candidate
    graph : ndarray, shape (F, F)
    epsilon : float
        How much the normalised cut may rise over that of `start`.

    Notes
    -----
    No partition is left with fewer than `FEWEST_FILTERS` filters.
    """
    current, moved = start, 0
    while True:
        step = _one_move(problem, current, graph, start.cut.ncut + epsilon)
        if step is None:
            return current, moved
        current, moved = step, moved + 1


def _one_move(
    problem: Problem, current: Candidate, graph: Graph, ncut_limit: float
) -> Candidate | None:
    by_time = sorted(range(len(current.groups)), key=current.group_s.__getitem__)
    slowest = current.assignment[by_time[-1]]
    giving = current.cut.partitions[slowest]
    if len(giving) <= FEWEST_FILTERS:
        return None
    for g in by_time[:-1]:
        k = current.assignment[g]
        taking = current.cut.partitions[k]
        pull = graph[np.ix_(giving, taking)].sum(axis=1) - graph[np.ix_(giving, giving)].sum(axis=1)
        boundary = giving[int(np.argmax(pull))]
        partitions = list(current.cut.partitions)
        partitions[slowest] = tuple(f for f in giving if f != boundary)
        partitions[k] = tuple(sorted((*taking, boundary)))
        cut = replace(current.cut, partitions=tuple(partitions))
        moved = problem.candidate(current.groups, cut)
        if moved.slowest_first() >= current.slowest_first():
            continue
        ncut = ncut_value(graph, partitions)
        if ncut <= ncut_limit:
            return replace(moved, cut=replace(cut, ncut=ncut))
    return None
