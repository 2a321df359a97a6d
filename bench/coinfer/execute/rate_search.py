"""The highest rate of Poisson arrivals at which enough requests are answered in time.

This is what MLPerf's LoadGen looks for in its server scenario [Reddi et al., MLPerf Inference
Benchmark, ISCA 2020]: the most queries a second at which a percentile of the latency keeps within
a bound. A percentile p of the latency is within the deadline just where a share p of all requests
is answered by then, so one number states both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

_SLOWEST: Final = 1 / 1024
"""Requests in a deadline at which next to none meets another: fewer change nothing."""

_BURST: Final = 64
"""All requests within this part of a deadline come at once: a higher rate changes nothing."""


class Tried(NamedTuple):
    """A rate, and the share of the requests that was answered in time at it."""

    rate_rps: float
    share_in_time: float


class Found(NamedTuple):
    """What a search came to.

    Attributes
    ----------
    rate_rps : float or None
        The highest rate that held; None where there is none, or where every rate held.
    tried : tuple of Tried
        In the order in which they were run.
    problem : str or None
        Why there is no rate.
    """

    rate_rps: float | None
    tried: tuple[Tried, ...]
    problem: str | None = None


def highest_rate(
    share_at: Callable[[float], float],
    wanted: float,
    deadline_s: float,
    requests: int,
    precision: float,
) -> Found:
    """Bracket the rate by doubling or halving, then bisect on a logarithmic scale.

    The arrivals of all rates are those of one process of rate 1, drawn once and divided by the
    rate, so that a higher rate brings every two requests closer together. Where work is served in
    order and takes what it takes, waiting then only grows with the rate [Lindley 1952], and the
    share that is in time falls at one rate. Elsewhere (batches, full queues, faults at a time) it
    may cross the mark more than once, and what is found is one of these crossings.

    Parameters
    ----------
    share_at : callable
        Runs a rate; returns the share of the requests that was in time, from 0 to 1.
    wanted : float
        Share that a rate has to reach.
    deadline_s : float
        The search begins with one request in a deadline.
    requests : int
        How many there are in a run.
    precision : float
        The next rate that failed is at most this fraction above what is found.

    Examples
    --------
    >>> found = highest_rate(lambda rate: 1.0 if rate <= 37 else 0.9, 0.99, 1.0, 100, 0.01)
    >>> 37 / 1.01 <= found.rate_rps <= 37
    True
    """
    tried: list[Tried] = []

    def holds(rate_rps: float) -> bool:
        tried.append(Tried(rate_rps, share_at(rate_rps)))
        return tried[-1].share_in_time >= wanted

    low = high = 1 / deadline_s
    slowest, fastest = _SLOWEST / deadline_s, _BURST * requests / deadline_s
    if holds(low):
        while holds(high := 2 * low):
            low = high
            if low >= fastest:
                return Found(None, tuple(tried), f"every rate up to {low:g} requests/s holds")
    else:
        while not holds(low := high / 2):
            high = low
            if high <= slowest:
                return Found(None, tuple(tried), f"no rate down to {high:g} requests/s holds")
    while high > low * (1 + precision):
        middle = math.sqrt(low * high)
        if holds(middle):
            low = middle
        else:
            high = middle
    return Found(low, tuple(tried))
