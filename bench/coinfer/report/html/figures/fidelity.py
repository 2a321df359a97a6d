"""How far real time is from virtual time."""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go

from coinfer.metrics.fidelity import MARGINAL, VALID
from coinfer.report.html.look import height, layout, rows
from coinfer.report.html.material import Absent, Figure, Line, Material, Setting, Table, significant
from coinfer.report.numbers import milliseconds
from coinfer.store import StoredCell

_QUANTILES: Final = {"paired_p50": ("median", "-open"), "paired_p95": ("p95", "")}


def fidelity(material: Material) -> Figure | Absent:
    """Errors of real-time cells against their replay in virtual time."""
    title = "Fidelity of real time"
    judged = [
        (setting, stored)
        for setting in material.settings
        for stored in setting.done
        if stored.figures.get("fidelity") is not None
    ]
    if not judged:
        return Absent("fidelity", title, "no cell ran in real time")
    labels = list(dict.fromkeys(setting.label for setting, _ in judged))
    return Figure(
        "fidelity",
        title,
        "Each cell against its own replay in virtual time, request by request: how far latencies "
        "are apart. The lines are the bounds at p95 of the verdicts VALID and MARGINAL.",
        [_points(material, judged, name) for name in _QUANTILES],
        layout(
            "error against virtual time",
            "",
            xaxis={"type": "log", "ticksuffix": " %"},
            yaxis=rows(labels),
            height=height(len(labels)),
            shapes=[_bound(VALID[1], "valid"), _bound(MARGINAL[1], "marginal")],
        ),
        Table(
            "Real-time cells against virtual time",
            (
                *(*material.axes, "run seed", "verdict", "error median", "error p95", "overruns"),
                *("density", "p50 real time, ms", "p50 virtual, ms"),
            ),
            [_line(material, setting, stored) for setting, stored in judged],
        ),
    )


def virtual_twin(material: Material, stored: StoredCell) -> StoredCell | None:
    """Cell of the same run that differs from this one in its mode alone."""
    wanted = stored.cell.coordinates | {"mode": "virtual"}
    for other in material.run_of(stored).contents.cells:
        if other.cell.coordinates == wanted and other.status == "done":
            return other
    return None


def _points(material: Material, judged: list[tuple[Setting, StoredCell]], name: str) -> Any:
    words, fill = _QUANTILES[name]
    # An error of nothing has no place on a logarithmic axis; one without bound has none anywhere.
    known = [(s, c) for s, c in judged if c.figures["fidelity"][name]]
    return go.Scatter(
        x=significant([100 * c.figures["fidelity"][name] for _, c in known]),
        y=[s.label for s, _ in known],
        mode="markers",
        name=f"{words} of the requests",
        marker={
            "symbol": ["circle" + fill] * len(known),
            "color": [material.look.colour(s.method) for s, _ in known],
            "size": 11,
        },
        hovertext=[_hover(s, c, name) for s, c in known],
        hoverinfo="text",
        meta={"points": [s.number for s, _ in known]},
    )


def _hover(setting: Setting, stored: StoredCell, name: str) -> str:
    found = stored.figures["fidelity"]
    return (
        f"<b>{setting.label}</b><br>run seed {stored.cell.run_seed}: {found['verdict']}<br>"
        f"{_QUANTILES[name][0]} {_percent(found[name])}"
    )


def _bound(share: float, name: str) -> dict[str, Any]:
    return {
        **{"type": "line", "x0": 100 * share, "x1": 100 * share, "y0": 0, "y1": 1},
        "yref": "paper",
        "line": {"color": "var(--faint)", "width": 1.5, "dash": "dot"},
        "label": {"text": name, "textposition": "end", "textangle": 0, "yanchor": "bottom"}
        | {"font": {"color": "var(--faint)", "size": 12}},
    }


def _line(material: Material, setting: Setting, stored: StoredCell) -> Line:
    found = stored.figures["fidelity"]
    twin = virtual_twin(material, stored)
    deadline_ms = stored.cell.deadline_ms
    own = milliseconds(stored.figures["latency_p50_ms"], deadline_ms)
    other = "-" if twin is None else milliseconds(twin.figures["latency_p50_ms"], deadline_ms)
    return Line(
        (setting.number,),
        (
            *(setting.at[axis] for axis in material.axes),
            *(str(stored.cell.run_seed), found["verdict"]),
            *(_percent(found["paired_p50"]), _percent(found["paired_p95"])),
            *(_percent(found["overrun_fraction"]), f"{found['density']:.2f}", own, other),
        ),
        "" if found["verdict"] == "VALID" else found["verdict"].lower(),
    )


def _percent(share: float | None) -> str:
    return "∞" if share is None else f"{100 * share:.2g} %"
