"""Moves devices between groups while that makes the slowest group faster [ours].

Follow-the-leader puts devices together that are alike; the latency is that of the *slowest group's
fastest device*, which may want a strong device beside weak ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from coinfer.planning.problem import Candidate, Problem

Exchange = Mapping[int, tuple[int, ...]]
"""Two groups by their number, the slowest first, and what each would be."""

_MATCHED_AGAIN = 8
"""With so many groups or fewer, every exchange is matched anew; else it keeps the assignment."""

_MOST_ROUNDS = 200


def exchanged(problem: Problem, start: Candidate, p_th: float) -> Candidate:
    """Exchange devices with the slowest group until no single exchange helps.

    An exchange moves one device into the slowest group or out of it, or swaps one for another;
    every group it touches keeps the outage bound.

    Parameters
    ----------
    problem : Problem
    start : Candidate
    p_th : float
    """
    current = start
    for _ in range(_MOST_ROUNDS):
        better = _one_exchange(problem, current, p_th)
        if better is None:
            break
        current = better
    if len(current.groups) <= _MATCHED_AGAIN or current is start:
        return current
    matched = problem.candidate(current.groups, current.cut)
    return min(current, matched, key=Candidate.slowest_first)


def _one_exchange(problem: Problem, current: Candidate, p_th: float) -> Candidate | None:
    step = _matched_again if len(current.groups) <= _MATCHED_AGAIN else _as_assigned
    best = None
    least = current.slowest_first()
    for exchange in _exchanges(current):
        found = step(problem, current, exchange, p_th)
        if found is not None and found.slowest_first() < least:
            best, least = found, found.slowest_first()
            if step is _as_assigned:  # Of thousands, the first that helps.
                break
    return best


def _matched_again(
    problem: Problem, current: Candidate, exchange: Exchange, p_th: float
) -> Candidate | None:
    sizes = current.cut.sizes
    # No assignment makes a group faster than its fastest partition.
    if any(problem.row(group, sizes)[0].min() > current.latency_s for group in exchange.values()):
        return None
    if any(problem.risk(group) > p_th for group in exchange.values()):
        return None
    groups = tuple(exchange.get(g, group) for g, group in enumerate(current.groups))
    return problem.candidate(groups, current.cut)


def _as_assigned(
    problem: Problem, current: Candidate, exchange: Exchange, p_th: float
) -> Candidate | None:
    seconds = list(current.group_s)
    for g, group in exchange.items():
        size = current.cut.sizes[current.assignment[g]]
        seconds[g] = float(problem.row(group, (size,))[0][0])
        if seconds[g] >= current.latency_s:
            return None
    if any(problem.risk(group) > p_th for group in exchange.values()):
        return None
    groups = tuple(exchange.get(g, group) for g, group in enumerate(current.groups))
    return replace(current, groups=groups, group_s=tuple(seconds))


def _exchanges(current: Candidate) -> Iterator[Exchange]:
    slowest = int(np.argmax(current.group_s))
    mine = current.groups[slowest]
    for other, theirs in enumerate(current.groups):
        if other == slowest:
            continue
        if len(theirs) > 1:
            for n in theirs:
                yield {slowest: _sorted(*mine, n), other: _without(theirs, n)}
        for n in mine:
            rest = _without(mine, n)
            if rest:
                yield {slowest: rest, other: _sorted(*theirs, n)}
            for m in theirs:
                yield {slowest: _sorted(*rest, m), other: _sorted(*_without(theirs, m), n)}


def _sorted(*devices: int) -> tuple[int, ...]:
    return tuple(sorted(devices))


def _without(group: tuple[int, ...], device: int) -> tuple[int, ...]:
    return tuple(n for n in group if n != device)
