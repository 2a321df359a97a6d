"""Axes given on the command line: ``NAME=value``, ``NAME=[a,b]``, ``NAME=0..4``."""

from __future__ import annotations

import re

from coinfer.errors import UsageError, hint
from coinfer.suite.schema import AXES, Axes, Value
from coinfer.suite.typed import typed

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_TEXT_AXES = ("method", "dataset", "cluster", "faults", "encoding", "kernels", "mode")
_MOST = 10_000


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
