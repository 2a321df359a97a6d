"""Bars of parts, one line a setting: what several figures draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from coinfer.report.html.look import PATTERNS, height, layout, rows, step
from coinfer.report.html.material import Line, Material, Setting, Table, significant


def stacked(
    settings: Sequence[Setting],
    parts: Mapping[str, Sequence[float | None]],
    x: str,
    unit: str,
) -> tuple[list[Any], dict[str, Any]]:
    """Traces and layout.

    Parameters
    ----------
    settings : sequence of Setting
    parts : mapping
        Name of a part to its size in every setting.
    x : str
        Title of the axis.
    unit : str
    """
    labels = [setting.label for setting in settings]
    numbers = [setting.number for setting in settings]
    traces = [
        go.Bar(
            x=significant(sizes),
            y=labels,
            orientation="h",
            name=name,
            marker={
                "color": step(place),
                "line": {"color": "var(--card)", "width": 1},
                "pattern": {"shape": PATTERNS[place % len(PATTERNS)], "solidity": 0.25}
                | {"fgcolor": "var(--card)", "fillmode": "overlay"},
            },
            hovertemplate=f"<b>%{{y}}</b><br>{name}: %{{x:.4g}}{unit}<extra></extra>",
            meta={"points": numbers},
        )
        for place, (name, sizes) in enumerate(parts.items())
    ]
    return traces, layout(
        x,
        "",
        barmode="stack",
        xaxis={"ticksuffix": unit, "rangemode": "tozero"},
        yaxis=rows(labels),
        height=height(len(settings)),
        bargap=0.35,
    )


def part_table(
    material: Material,
    caption: str,
    settings: Sequence[Setting],
    parts: Mapping[str, Sequence[str]],
) -> Table:
    """The same in texts."""
    lines = [
        Line(
            (setting.number,),
            (*(setting.at[axis] for axis in material.axes), *(t[n] for t in parts.values())),
        )
        for n, setting in enumerate(settings)
    ]
    return Table(caption, (*material.axes, *parts), lines)
