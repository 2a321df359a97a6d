"""How requests become jobs at the source: one by one, in batches, or in coding groups."""

from __future__ import annotations

from collections.abc import Callable

from coinfer.contract import Job
from coinfer.runtime.context import Context
from coinfer.runtime.job import OpenJob
from coinfer.runtime.topology import Topology

Feed = Callable[[OpenJob, tuple[int, ...]], None]
"""Sends rows of a job to the devices."""


class Intake:
    """Gathers requests until a job is full or has waited long enough.

    Parameters
    ----------
    topology : Topology
    ctx : Context
    feed : callable
        Told the job and its new rows as soon as they may be sent.

    Attributes
    ----------
    jobs : dict of int to OpenJob
        Jobs that are not over; who ends one takes it out.
    """

    def __init__(self, topology: Topology, ctx: Context, feed: Feed) -> None:
        self._batching = topology.deployment.batching
        self._fusion = topology.deployment.fusions()
        self._ctx = ctx
        self._feed = feed
        self._opened = 0
        self._forming: list[int] = []
        self._timer: int | None = None
        self.jobs: dict[int, OpenJob] = {}

    def add(self, request: int) -> None:
        """Take in a request."""
        batching = self._batching
        self._forming.append(request)
        full = len(self._forming) == batching.rows
        if batching.eager:
            first = len(self._forming) == 1
            job = self._open((request,), batching.rows) if first else self.jobs[self._opened - 1]
            if full:
                self._forming = []
            self._feed(job, (request,))
        elif full:
            self._close()
        elif self._timer is None:
            self._timer = self._ctx.set_timer(self._ctx.now_ns + batching.wait_ns, ("batch",))

    def on_timer(self) -> None:
        """Close a batch that has waited long enough."""
        self._timer = None
        self._close()

    def withdraw(self, request: int) -> None:
        """Forget a request that is in no job."""
        if request in self._forming:
            self._forming.remove(request)
        if not self._forming and self._timer is not None:
            self._ctx.cancel_timer(self._timer)
            self._timer = None

    def _close(self) -> None:
        if self._timer is not None:
            self._ctx.cancel_timer(self._timer)
            self._timer = None
        rows, self._forming = tuple(self._forming), []
        self._feed(self._open(rows, len(rows)), rows)

    def _open(self, rows: tuple[int, ...], size: int) -> OpenJob:
        job = Job(self._opened, rows, size)
        self._opened += 1
        opened = OpenJob(job, self._fusion(job), self._ctx.now_ns)
        self.jobs[job.id] = opened
        return opened
