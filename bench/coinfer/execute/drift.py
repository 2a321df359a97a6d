"""Whether the machine was as fast after a run as before it, by the reference kernel."""

from __future__ import annotations


def drift(before_ns: int, after_ns: int) -> float:
    """Relative change.

    Examples
    --------
    >>> round(drift(100, 108), 6)
    0.08
    """
    return abs(after_ns / before_ns - 1)
