"""Latency over all requests, counted from the intended arrival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from coinfer.runtime.record import Record

PARTS: Final = ("compute", "serialise", "link", "queue", "decide")
_QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999}

# p95 and p99: fewer, and it is the slowest request. p99.9: fewer than ten requests would be slower.
_NEEDED: Final = {"p50": 2, "p95": 20, "p99": 100, "p99.9": 10_000}


def latencies_ms(records: Sequence[Record]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Latency of each request; +inf where it was not answered."""
    return np.array(
        [
            np.inf if r.answered_ns is None else (r.answered_ns - r.intended_ns) / 1e6
            for r in records
        ],
        dtype=np.float64,
    )


def latency_figures(records: Sequence[Record]) -> dict[str, float | None]:
    """Percentiles and mean over all requests; None where unanswered ones reach that far.

    A percentile is the inverse of the empirical distribution: the shortest latency within which
    at least that share of all requests was answered. It is always a latency that occurred, so
    that nothing is interpolated between a finite one and +inf. p99.9 is there from 10,000
    requests on.
    """
    latency = latencies_ms(records)
    found = {
        f"latency_{name}_ms": _finite(float(np.quantile(latency, share, method="inverted_cdf")))
        for name, share in _QUANTILES.items()
        if name != "p999" or len(records) >= _NEEDED["p99.9"]
    }
    return {**found, "latency_mean_ms": _finite(float(latency.mean()))}


def percentiles_told(requests: int) -> str:
    """Which percentiles so many requests are enough for, and what the next one takes.

    Examples
    --------
    >>> percentiles_told(500)
    'p50, p95 and p99 of the latency can be told from 500 requests; p99.9 takes 10000'
    """
    enough = [name for name, needed in _NEEDED.items() if requests >= needed]
    names = " and ".join([", ".join(enough[:-1]), enough[-1]] if enough[1:] else enough)
    told = f"{names or 'no percentile'} of the latency can be told from {requests} requests"
    missing = [f"{name} takes {needed}" for name, needed in _NEEDED.items() if requests < needed]
    return "; ".join([told, *missing[:1]])


def percentile_warnings(requests: int) -> tuple[str, ...]:
    """Which percentiles cannot be told from the slowest request, and how many it would take."""
    return tuple(
        f"{name} is the slowest of {requests} requests; it takes at least {needed} to tell them "
        "apart"
        for name in ("p95", "p99")
        if requests < (needed := _NEEDED[name])
    )


def critical_path_ms(records: Sequence[Record]) -> dict[str, float | None]:
    """Mean over answered requests of where their time went."""
    answered = [r for r in records if r.answered_ns is not None]
    if not answered:
        return dict.fromkeys(PARTS)
    return {
        part: float(np.mean([getattr(r, f"{part}_ns") for r in answered])) / 1e6 for part in PARTS
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
