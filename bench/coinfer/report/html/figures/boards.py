"""What cells took on real boards beside what they were emulated to take."""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go

from coinfer.report.html.look import height, layout, rows
from coinfer.report.html.material import Absent, Figure, Line, Material, Setting, Table, significant
from coinfer.report.numbers import change, milliseconds, percent
from coinfer.store import StoredCell

_QUANTILES: Final = {"p50": ("median", "circle"), "p95": ("p95", "diamond")}
_SIDES: Final = {"on boards": "", "emulated": "-open"}


def boards(material: Material) -> Figure | Absent:
    """Median and p95 of every cell that ran on boards, and of its emulation."""
    title = "Real boards and their emulation"
    ran = [
        (setting, stored)
        for setting in material.settings
        for stored in setting.done
        if stored.figures.get("emulation") is not None
    ]
    if not ran:
        return Absent("boards", title, "no cell ran on boards")
    labels = list(dict.fromkeys(setting.label for setting, _ in ran))
    return Figure(
        "boards",
        title,
        "Latencies of each cell on the boards (filled) and of the same requests in virtual time "
        "(open), with the speeds and links that the inventory gives.",
        [_points(material, ran, name, side) for name in _QUANTILES for side in _SIDES],
        layout(
            "latency (ms)",
            "",
            xaxis={"ticksuffix": " ms", "rangemode": "tozero"},
            yaxis=rows(labels),
            height=height(len(labels)),
        ),
        Table(
            "Cells on boards beside their emulation, latencies in ms",
            (
                *(*material.axes, "run seed"),
                *("p50", "emulated", "error", "p95", "emulated", "error"),
                *("request by request, p95", "same answers"),
            ),
            [_line(material, setting, stored) for setting, stored in ran],
        ),
    )


def latency_ms(stored: StoredCell, name: str, side: str) -> float | None:
    """Quantile `name` on one `side`; None where requests were not answered."""
    figures: dict[str, Any] = stored.figures
    found = figures if side == "on boards" else figures["emulation"]
    ms: float | None = found[f"latency_{name}_ms"]
    return ms


def _points(material: Material, ran: list[tuple[Setting, StoredCell]], name: str, side: str) -> Any:
    words, symbol = _QUANTILES[name]
    # What was not answered has no place on the axis; the table has it.
    known = [(s, c, ms) for s, c in ran if (ms := latency_ms(c, name, side)) is not None]
    return go.Scatter(
        x=significant([ms for *_, ms in known]),
        y=[s.label for s, *_ in known],
        mode="markers",
        name=f"{words}, {side}",
        marker={
            "symbol": [symbol + _SIDES[side]] * len(known),
            "color": [material.look.colour(s.method) for s, *_ in known],
            "size": 11,
        },
        hovertext=[
            f"<b>{s.label}</b><br>run seed {c.cell.run_seed}, {side}<br>{words} {ms:.3g} ms<br>"
            f"error of the emulation {change(c.figures['emulation'][f'error_{name}'])}"
            for s, c, ms in known
        ],
        hoverinfo="text",
        meta={"points": [s.number for s, *_ in known]},
    )


def _line(material: Material, setting: Setting, stored: StoredCell) -> Line:
    found = stored.figures["emulation"]
    told: list[str] = []
    for name in _QUANTILES:
        told += (
            milliseconds(latency_ms(stored, name, side), stored.cell.deadline_ms) for side in _SIDES
        )
        told.append(change(found[f"error_{name}"]))
    return Line(
        (setting.number,),
        (
            *(setting.at[axis] for axis in material.axes),
            *(str(stored.cell.run_seed), *told),
            *(change(found["paired_p95"]).lstrip("+"), percent(found["agreement"])),
        ),
    )
