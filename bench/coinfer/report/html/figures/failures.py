"""Accuracy against the number of failed devices."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from coinfer.report.failures import curve, deployments
from coinfer.report.html.look import DASHES, FILLS, SYMBOLS, layout
from coinfer.report.html.material import Absent, Figure, Line, Material, Table, significant
from coinfer.report.numbers import percent
from coinfer.report.settings import mean_figure
from coinfer.store import StoredCell

_KEY = ("method", "cluster", "dataset", "encoding")


def failures(material: Material) -> Figure | Absent:
    """Mean and worst over all subsets of lost devices, a pair of lines for each deployment."""
    title = "Accuracy against failed devices"
    groups = deployments([s for s in material.cells if s.status == "done"])
    if not groups:
        return Absent("failures", title, "no method of this run can be told without a device")
    places = [p for p in range(4) if p == 0 or len({key[p] for key in groups}) > 1]
    rest = list(dict.fromkeys(_rest(key, places) for key in groups))
    traces, lines = [], []
    most = max(max(curve(cells)) for cells in groups.values())
    for key, cells in groups.items():
        look = rest.index(_rest(key, places))
        numbers = _settings(material, cells)
        traces += _pair(material, key, cells, numbers, look, _rest(key, places))
        points = curve(cells)
        texts = [_text(points.get(failed)) for failed in range(most + 1)]
        expected = percent(mean_figure(cells, "expected_accuracy"))
        lines.append(Line(numbers, (*(key[p] for p in places), *texts, expected)))
    return Figure(
        "failures",
        title,
        "Thick: mean over all subsets of so many lost devices. Thin: the worst subset. Measured on "
        "the test images, apart from the faults of the run; where it falls, a method needs devices "
        "that it has lost. Methods whose deployment cannot be told without a device are left out.",
        traces,
        layout(
            "failed devices",
            "accuracy",
            xaxis={"dtick": 1},
            yaxis={"ticksuffix": " %", "rangemode": "tozero"},
            height=420,
        ),
        Table(
            "Accuracy by number of lost devices: mean over subsets (worst subset)",
            (*(_KEY[p] for p in places), *(f"{n} lost" for n in range(most + 1)), "expected"),
            lines,
        ),
    )


def _rest(key: tuple[str, ...], places: list[int]) -> str:
    return ", ".join(f"{_KEY[p]} {key[p]}" for p in places if p)


def _settings(material: Material, cells: list[StoredCell]) -> tuple[int, ...]:
    """Settings that these cells belong to."""
    own = {id(stored) for stored in cells}
    return tuple(s.number for s in material.settings if own & {id(c) for c in s.cells})


def _pair(
    material: Material,
    key: tuple[str, ...],
    cells: list[StoredCell],
    numbers: tuple[int, ...],
    look: int,
    rest: str,
) -> list[Any]:
    points = curve(cells)
    colour = material.look.colour(key[0])
    place = material.look.methods[key[0]]
    name = f"{key[0]}, {rest}" if rest else key[0]
    drawn = []
    for part, what in enumerate(("mean", "worst")):
        symbol = SYMBOLS[place % len(SYMBOLS)] + FILLS[look % len(FILLS)]
        drawn.append(
            go.Scatter(
                x=list(points),
                y=significant([100 * pair[part] for pair in points.values()]),
                mode="lines" if part else "lines+markers",
                name=name,
                showlegend=not part,
                line={"color": colour, "width": 1 if part else 2.5}
                | {"dash": DASHES[look % len(DASHES)]},
                marker={"symbol": symbol, "size": 9},
                opacity=0.75 if part else 1,
                hovertemplate=f"<b>{name}</b>, {what}<br>%{{x}} lost: %{{y:.1f}}<extra></extra>",
                meta={"settings": list(numbers)},
            )
        )
    return drawn


def _text(point: tuple[float, float] | None) -> str:
    return "" if point is None else f"{percent(point[0])} ({percent(point[1])})"
