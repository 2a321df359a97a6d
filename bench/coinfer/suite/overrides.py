"""Axes given on the command line: ``NAME=value``, ``NAME=[a,b]``, ``NAME=0..4``."""

from __future__ import annotations

import re
from typing import Final

from coinfer.errors import UsageError, hint
from coinfer.suite.schema import AXES, Axes, Value
from coinfer.suite.typed import typed

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_TEXT_AXES = ("method", "dataset", "cluster", "faults", "encoding", "kernels", "mode")
_MOST = 10_000
MOST_TIMELINES: Final = 100
"""Requests whose timeline can be asked for: it is for looking at."""


def parse_override(text: str) -> tuple[str, tuple[Value, ...]]:
    """Axis and values of one ``-a`` option.

    Parameters
    ----------
    text : str
        ``NAME=value``, ``NAME=[a,b]`` or ``NAME=a,b``; ``first..last`` is a range of integers,
        both ends included.

    Raises
    ------
    UsageError
        If the form, the axis or a value is not allowed.

    Examples
    --------
    >>> parse_override("run_seed=0..2,7")
    ('run_seed', (0, 1, 2, 7))
    >>> parse_override("encoding=[raw, int8]")
    ('encoding', ('raw', 'int8'))
    """
    axis, equals, listed = text.partition("=")
    axis = axis.strip()
    if not equals:
        raise UsageError(f"-a {text}: no '='; write NAME=value, NAME=[a,b] or NAME=0..4")
    if axis not in AXES:
        raise UsageError(f"-a {text}: {axis!r} is no axis; {hint(axis, AXES)}")
    listed = listed.strip()
    if listed.startswith("[") != listed.endswith("]"):
        raise UsageError(f"-a {text}: the bracket is not closed; write {axis}=[a,b]")
    parts = [p.strip().strip("\"'") for p in listed.removeprefix("[").removesuffix("]").split(",")]
    values: list[Value] = []
    for part in filter(None, parts):
        values += [part] if axis in _TEXT_AXES else _numbers(part, axis, text)
    if not values:
        raise UsageError(f"-a {text}: empty; give at least one value")
    axes = typed({axis: values}, Axes, "command line", "$.axes")
    return axis, getattr(axes, axis)


def parse_requests(text: str, said: str, requests: int | None = None) -> tuple[int, ...]:
    """Numbers of the requests that a timeline is wanted of, in order.

    Parameters
    ----------
    text : str
        Numbers and ranges ``first..last``, both ends included, with commas between them.
    said : str
        Where it was said, for messages.
    requests : int, optional
        How many there are; those beyond are refused.

    Raises
    ------
    UsageError
        If the form is wrong, there are too many, or one never comes.

    Examples
    --------
    >>> parse_requests("7,0..2", "--timeline")
    (0, 1, 2, 7)
    """
    wanted: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:\.\.(\d+))?\s*", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if first <= last < first + MOST_TIMELINES:
            wanted.update(range(first, last + 1))
        else:
            wanted.clear()
            break
    if not 0 < len(wanted) <= MOST_TIMELINES:
        raise UsageError(
            f"{said} {text}: not allowed; write 3, 0..9 or 0..4,100, both ends of a range "
            f"included, and at most {MOST_TIMELINES} requests: a timeline is for looking at"
        )
    if requests is not None and max(wanted) >= requests:
        raise UsageError(
            f"{said} {text}: request {max(wanted)} never comes; allowed: 0 to {requests - 1} "
            f"(workload.requests = {requests})"
        )
    return tuple(sorted(wanted))


def _numbers(part: str, axis: str, text: str) -> list[Value]:
    found = _RANGE.fullmatch(part)
    if found:
        first, last = int(found[1]), int(found[2])
        if not first <= last < first + _MOST:
            raise UsageError(
                f"-a {text}: the range {part} is not allowed; write first..last, both ends "
                f"included, at most {_MOST} values"
            )
        return list(range(first, last + 1))
    try:
        return [float(part)] if axis == "deadline_ms" else [int(part)]
    except ValueError:
        what = "a number" if axis == "deadline_ms" else "an integer or a range like 0..4"
        raise UsageError(f"-a {text}: {part!r} is not allowed; {axis} takes {what}") from None
