"""Which combinations of the axes there are: all, less the excluded ones, and the included ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

import msgspec

from coinfer.suite.schema import AXES, SEED_AXES, Axes, Suite, Value

Point: TypeAlias = dict[str, Any]
"""A value of every axis."""

# Seeds and repeats vary slowest and methods fastest: what drifts while a run goes on (clock,
# temperature, load) then meets every method alike.
_ORDER: Final = (
    *reversed(SEED_AXES),
    *(axis for axis in reversed(AXES) if axis not in (*SEED_AXES, "method")),
    "method",
)


def points(suite: Suite) -> list[Point]:
    """All combinations of a resolved suite, each once, seeds and repeats outermost."""
    found: dict[tuple[Value, ...], Point] = {}
    for point in _crossed(suite.axes, suite.axes):
        if not any(_matches(point, rule) for rule in suite.exclude):
            found[tuple(point.values())] = point
    for block in suite.include:
        for point in _crossed(block, suite.axes):
            found.setdefault(tuple(point.values()), point)
    blocks: dict[tuple[Value, ...], list[Point]] = {}
    for point in _without_equals(found.values()):
        blocks.setdefault(tuple(point[axis] for axis in reversed(SEED_AXES)), []).append(point)
    return [point for block in blocks.values() for point in block]


def narrowed(include: Sequence[Axes], overrides: Mapping[str, Collection[Value]]) -> list[Axes]:
    """Included blocks as far as overrides of the axes leave them."""
    left = []
    for block in include:
        named = {
            axis: tuple(value for value in values if value in overrides.get(axis, values))
            for axis in AXES
            if (values := getattr(block, axis)) is not None
        }
        if all(named.values()):
            left.append(msgspec.structs.replace(block, **named))
    return left


def rules(suite: Suite) -> Iterator[tuple[str, Axes]]:
    """Every rule with its path in the file."""
    for kind in ("exclude", "include"):
        for number, rule in enumerate(getattr(suite, kind)):
            yield f"{kind}[{number}]", rule


def places(suite: Suite, axis: str) -> dict[Value, str]:
    """Every value of an axis with the path of where it stands first."""
    found: dict[Value, str] = {}
    blocks = [(path, rule) for path, rule in rules(suite) if path.startswith("include")]
    for path, block in ("axes", suite.axes), *blocks:
        for number, value in enumerate(getattr(block, axis) or ()):
            found.setdefault(value, f"$.{path}.{axis}[{number}]")
    return found


def values_of(suite: Suite, axis: str) -> tuple[Value, ...]:
    """Every value that an axis has in some cell, and its default where nothing else is said."""
    default = () if getattr(suite.axes, axis) else (getattr(suite.defaults, axis),)
    return (*default, *places(suite, axis))


def _crossed(block: Axes, others: Axes) -> Iterator[Point]:
    """Cross the values of a block, and of the axes that it does not name those of others."""
    columns = [getattr(block, axis) or getattr(others, axis) for axis in _ORDER]
    for values in product(*columns):
        at = dict(zip(_ORDER, values, strict=True))
        yield {axis: at[axis] for axis in AXES}


def _without_equals(found: Iterable[Point]) -> Iterator[Point]:
    """Leave out repeats in virtual time: each would be equal to the first one, to the byte."""
    seen: set[tuple[Value, ...]] = set()
    for point in found:
        if point["mode"] == "virtual":
            rest = tuple(value for axis, value in point.items() if axis != "repeat")
            if rest in seen:
                continue
            seen.add(rest)
        yield point


def _matches(point: Point, rule: Axes) -> bool:
    named = [(axis, values) for axis in AXES if (values := getattr(rule, axis)) is not None]
    return all(point[axis] in values for axis, values in named)
