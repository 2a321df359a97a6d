"""Events of a virtual run: their kinds, in the order in which those of one moment are handled."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from coinfer.cluster import FaultEvent

FAULT, PEER, MESSAGE, DONE, TIMER = range(5)
KINDS: Final = ("fault", "peer", "message", "done", "timer")


class Event(NamedTuple):
    """One event of the heap; `place` is its actor's."""

    at_ns: int
    kind: int
    place: int
    sequence: int
    payload: Any


class End(NamedTuple):
    """The end of what a fault does for a while, as an event of its device."""

    fault: FaultEvent
