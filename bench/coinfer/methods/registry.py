"""Methods by name: this project's own and whatever other packages add by an entry point."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from coinfer.errors import UsageError
from coinfer.methods.base import Method

GROUP = "coinfer.methods"


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """Names of all methods, without loading them."""
    return sorted(_points())


def method(name: str) -> type[Method[Any]]:
    """Class of a method.

    Raises
    ------
    UsageError
        If there is none of that name, or it cannot be loaded.
    """
    if name not in _points():
        raise UsageError(f"unknown method {name!r}; allowed: {', '.join(names())}")
    try:
        loaded: type[Method[Any]] = _points()[name].load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"method {name!r} cannot be loaded: {error}") from error
    return loaded
