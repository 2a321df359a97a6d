"""Workloads: when requests arrive and which items they ask about.

The kinds are named as in MLPerf's LoadGen.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
import numpy as np

from coinfer.cluster.checks import UNSAID, at_least, not_negative, one_of, positive
from coinfer.cluster.draws import seed32, uniform
from coinfer.cluster.links import Read
from coinfer.cluster.traces import check_arrivals, read_arrivals
from coinfer.errors import ClusterError

KINDS: Final = ("single-stream", "multi-stream", "server", "offline", "trace")
SEARCH: Final = "search"
"""As `rate_rps`: the highest rate is looked for at which enough requests are in time."""

_REQUESTS: Final = 100
_SEARCHED: Final = {"share_in_time": (0.0, 0.99), "precision": (1e-6, 0.01)}
"""Keys of a search, each with what it has to exceed and its default; none may exceed 1."""


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many requests come, and when.

    Attributes
    ----------
    kind : {"single-stream", "multi-stream", "server", "offline", "trace"}
        ``single-stream``: the next request starts when the last one is answered or timed out.
        ``multi-stream``: the same with `samples_per_query` requests together.
        ``server``: Poisson arrivals, whether or not the last one is answered.
        ``offline``: all requests at once.
        ``trace``: at the times of a file.
    requests : int
        100 unless said; of a trace all.
    rate_rps : float, "search" or None
        Mean rate of ``server``; ``search``: the highest at which `share_in_time` holds.
    share_in_time : float or None
        Of a search: the share of requests that must be answered within the deadline, which is to
        say the percentile of the latency that may not exceed it; 0.99 unless said.
    precision : float or None
        Of a search: the next higher rate that was tried and failed is at most this fraction above
        what is found; 0.01 unless said.
    samples_per_query : int or None
        Requests that arrive together in ``multi-stream``.
    trace : str or tuple of float or None
        Arrivals in milliseconds: the path of a CSV in a suite file, and what it says in a suite
        that was read.
    queue_limit : int or None
        Most unsettled requests that the source keeps; None: no bound.
    on_overflow : {"reject", "drop-oldest"}
        Which request fails when there would be one more: the new one, or the oldest that still
        waits.
    warm_up : int
        So many first requests run, but do not count in the figures.
    batch_rows : int or None
        Most requests that the source puts into one job, whatever the method says.
    batch_wait_ms : float or None
        How long the first request of a job waits for more, whatever the method says.

    Raises
    ------
    ClusterError
        If a value is impossible, missing, or of no use to this kind.
    """

    kind: str = "single-stream"
    requests: int = UNSAID
    rate_rps: Literal["search"] | float | None = None
    share_in_time: float | None = None
    precision: float | None = None
    samples_per_query: int | None = None
    trace: str | tuple[float, ...] | None = None
    queue_limit: int | None = None
    on_overflow: str = "reject"
    warm_up: int = 0
    batch_rows: int | None = None
    batch_wait_ms: float | None = None

    def __post_init__(self) -> None:
        one_of("workload", "kind", self.kind, KINDS)
        of_kind = {"rate_rps": "server", "samples_per_query": "multi-stream", "trace": "trace"}
        for name, kind in of_kind.items():
            if (self.kind == kind) != (getattr(self, name) is not None):
                raise ClusterError(f"workload: {name} is for kind = {kind!r}, and needed there")
        self._count()
        at_least("workload", "requests", self.requests, 1)
        at_least("workload", "samples_per_query", self.samples_per_query, 1)
        at_least("workload", "batch_rows", self.batch_rows, 1)
        at_least("workload", "warm_up", self.warm_up, 0)
        self._check_rate()
        not_negative("workload", "batch_wait_ms", self.batch_wait_ms)
        if self.requests is not None and self.warm_up >= self.requests:
            raise ClusterError(
                f"workload: warm_up = {self.warm_up} leaves nothing of requests = {self.requests}"
                " to report; use fewer"
            )
        self._check_queue()

    def read(self, read: Read) -> Workload:
        """The same workload with the content of its trace in place of the path.

        Raises
        ------
        ClusterError
            If the file cannot be read or is malformed.
        """
        if not isinstance(self.trace, str):
            return self
        return msgspec.structs.replace(self, trace=read_arrivals(read(self.trace), self.trace))

    def _count(self) -> None:
        """Fill in the number of requests, as soon as it is known."""
        if isinstance(self.trace, tuple):
            check_arrivals(self.trace)
            if self.requests is not None and self.requests > len(self.trace):
                raise ClusterError(
                    f"workload: requests = {self.requests}, and the trace has "
                    f"{len(self.trace)} arrivals; use at most as many, or leave requests out"
                )
        if self.requests is None and not isinstance(self.trace, str):
            many = _REQUESTS if self.trace is None else len(self.trace)
            msgspec.structs.force_setattr(self, "requests", many)

    def _check_rate(self) -> None:
        if self.rate_rps != SEARCH:
            positive("workload", "rate_rps", self.rate_rps)
            for name in _SEARCHED:
                if getattr(self, name) is not None:
                    raise ClusterError(f"workload: {name} is for rate_rps = {SEARCH!r}")
            return
        for name, (above, usual) in _SEARCHED.items():
            if getattr(self, name) is None:
                msgspec.structs.force_setattr(self, name, usual)
            value = getattr(self, name)
            if not above < value <= 1:
                raise ClusterError(f"workload: {name} = {value}; use one in ({above:g}, 1]")

    def _check_queue(self) -> None:
        one_of("workload", "on_overflow", self.on_overflow, ("reject", "drop-oldest"))
        at_least("workload", "queue_limit", self.queue_limit, 1)
        if self.queue_limit is None and self.on_overflow != "reject":
            raise ClusterError("workload: on_overflow is for a queue_limit; give one")
        if self.queue_limit is not None and self.kind == "single-stream":
            raise ClusterError(
                "workload: queue_limit is never reached by kind = 'single-stream', which has one "
                "request at a time; leave it out"
            )


def arrivals_ns(workload: Workload, seed: int) -> list[int] | None:
    """Intended arrival of every request; None where some wait for others.

    Those are ``single-stream`` and ``multi-stream``, whose requests arrive when the last ones are
    settled.

    Raises
    ------
    ClusterError
        If a trace was not read, or the rate is still to be found.
    """
    if workload.kind in ("single-stream", "multi-stream"):
        return None
    if workload.kind == "offline":
        return [0] * workload.requests
    if workload.kind == "trace":
        if not isinstance(workload.trace, tuple):
            raise ClusterError(
                f"workload: the trace {workload.trace!r} was not read; load the suite from its "
                "file, or give the times themselves"
            )
        return [round(at_ms * 1e6) for at_ms in workload.trace[: workload.requests]]
    rate_rps = workload.rate_rps
    if not isinstance(rate_rps, int | float):
        raise ClusterError(f"workload: no arrivals before rate_rps = {rate_rps!r} was found")
    at = 0.0
    times = []
    for request in range(workload.requests):
        at += -math.log(1.0 - uniform(seed, "arrival", request)) / rate_rps
        times.append(round(at * 1e9))
    return times


def items(requests: int, available: int, seed: int) -> list[int]:
    """Which data item each request asks about: keyed permutations of all items, in a row."""
    picked: list[int] = []
    for lap in range(math.ceil(requests / available)):
        order = np.random.default_rng(seed32(seed, "items", lap)).permutation(available)
        picked += order.tolist()
    return picked[:requests]
