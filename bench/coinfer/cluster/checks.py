"""Checks that devices, links, faults and workloads share, with the value in the message."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from coinfer.errors import ClusterError, hint

UNSAID: Final[Any] = None
"""Default of a field that is filled from elsewhere where nothing was said about it."""


def positive(place: str, name: str, value: float | None) -> None:
    """Refuse what is not a finite number above 0; None is nothing to check."""
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise ClusterError(f"{place}: {name} = {value}; use a finite number > 0")


def not_negative(place: str, name: str, value: float | None) -> None:
    """Refuse what is not a finite number from 0 on; None is nothing to check."""
    if value is not None and not (value >= 0 and math.isfinite(value)):
        raise ClusterError(f"{place}: {name} = {value}; use a finite number >= 0")


def at_least(place: str, name: str, value: int | None, least: int) -> None:
    """Refuse an integer below `least`; None is nothing to check."""
    if value is not None and value < least:
        raise ClusterError(f"{place}: {name} = {value}; use at least {least}")


def one_of(place: str, name: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a name that is not among those allowed."""
    names = list(allowed)
    if value not in names:
        raise ClusterError(f"{place}: {name} = {value!r}; {hint(value, names)}")


def twice(names: Iterable[str]) -> list[str]:
    """Names that occur more than once, in order."""
    seen: set[str] = set()
    found: list[str] = []
    for name in names:
        if name in seen and name not in found:
            found.append(name)
        seen.add(name)
    return found
