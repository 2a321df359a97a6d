"""Workloads: when requests arrive and which items they ask about.

The kinds are named as in MLPerf's LoadGen.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from coinfer.cluster.draws import seed32, uniform
from coinfer.errors import ClusterError


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many requests come, and when.

    Attributes
    ----------
    kind : {"single-stream", "server", "offline"}
        ``single-stream``: the next request starts when the last one is answered or timed out.
        ``server``: Poisson arrivals, whether or not the last one is answered.
        ``offline``: all requests at once.
    requests : int
    rate_rps : float or None
        Mean rate of ``server``.
    """

    kind: str = "single-stream"
    requests: int = 100
    rate_rps: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("single-stream", "server", "offline"):
            raise ClusterError(
                f"workload: kind = {self.kind!r}; allowed: single-stream, server, offline"
            )
        if self.requests < 1:
            raise ClusterError(f"workload: requests = {self.requests}; use at least 1")
        if (self.kind == "server") != (self.rate_rps is not None):
            raise ClusterError("workload: rate_rps is for kind = 'server', and needed there")
        if self.rate_rps is not None and not self.rate_rps > 0:
            raise ClusterError(f"workload: rate_rps = {self.rate_rps}; use > 0")


def arrivals_ns(workload: Workload, seed: int) -> list[int] | None:
    """Intended arrival of every request, or None where each waits for the last (single-stream)."""
    if workload.kind == "single-stream":
        return None
    if workload.kind == "offline":
        return [0] * workload.requests
    assert workload.rate_rps is not None
    at = 0.0
    times = []
    for request in range(workload.requests):
        at += -math.log(1.0 - uniform(seed, "arrival", request)) / workload.rate_rps
        times.append(round(at * 1e9))
    return times


def items(requests: int, available: int, seed: int) -> list[int]:
    """Which data item each request asks about: keyed permutations of all items, in a row."""
    picked: list[int] = []
    for lap in range(math.ceil(requests / available)):
        order = np.random.default_rng(seed32(seed, "items", lap)).permutation(available)
        picked += order.tolist()
    return picked[:requests]
