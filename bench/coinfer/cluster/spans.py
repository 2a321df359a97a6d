"""Moments and spans of a run, as far as they can be compared before it."""

from __future__ import annotations

import math
from typing import NamedTuple


class Moment(NamedTuple):
    """A time in nanoseconds, or the start of a request: which of two such comes first is open."""

    clock: str
    value: int


class Span(NamedTuple):
    """From a moment on, for ever, until a value on the same clock, or nobody knows until when."""

    start: Moment
    end: float | None

    def holds(self, moment: Moment) -> bool | None:
        """Whether a moment lies in the span; None where that cannot be told beforehand."""
        if moment.clock != self.start.clock:
            return None
        if moment.value < self.start.value:
            return False
        if moment.value == self.start.value or self.end == math.inf:
            return True
        return None if self.end is None else moment.value < self.end

    def meets(self, other: Span) -> bool | None:
        """Whether two spans have a moment in common; None where that cannot be told beforehand."""
        if other.start.value < self.start.value:
            return other.holds(self.start)
        return self.holds(other.start)
