"""When requests arrive at the source, and how many it keeps."""

from __future__ import annotations

from coinfer.runtime.context import Context
from coinfer.runtime.job import Load


class Arrivals:
    """The workload: asks for arrivals, and bounds what is unsettled.

    Parameters
    ----------
    load : Load
    ctx : Context

    Attributes
    ----------
    unsettled : int
        Requests that are not settled, those that have not arrived among them.
    """

    def __init__(self, load: Load, ctx: Context) -> None:
        self._load = load
        self._ctx = ctx
        self._asked = 0
        self._of_query = 0
        self._kept: dict[int, None] = {}
        self.unsettled = len(load.items)

    def begin(self) -> None:
        """Ask for all arrivals that depend on no other request."""
        if self._load.arrivals_ns is None:
            self._ask()
        for request, at_ns in enumerate(self._load.arrivals_ns or ()):
            self._ctx.set_timer(at_ns, ("arrival", request))

    def intended_ns(self, request: int) -> int:
        """When a request that arrives now should have."""
        times = self._load.arrivals_ns
        return self._ctx.now_ns if times is None else times[request]

    def take(self, request: int) -> int | None:
        """Take a request in; returns the one that there is no room for, if any."""
        limit = self._load.queue_limit
        if limit is None or len(self._kept) < limit:
            loser = None
        else:
            loser = next(iter(self._kept)) if self._load.drop_oldest else request
        if loser != request:
            self._kept[request] = None
        return loser

    def settled(self, request: int) -> None:
        """Note the end of a request; the next query may begin."""
        self.unsettled -= 1
        self._kept.pop(request, None)
        if self._load.arrivals_ns is None:
            self._of_query -= 1
            if self._of_query == 0:
                self._ask()

    def _ask(self) -> None:
        """Begin the next query."""
        begin = self._asked
        self._asked = min(begin + self._load.query, len(self._load.items))
        self._of_query = self._asked - begin
        for request in range(begin, self._asked):
            self._ctx.set_timer(self._ctx.now_ns, ("arrival", request))
