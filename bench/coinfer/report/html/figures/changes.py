"""How large the changes of a comparison are, with their intervals; a line a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from coinfer.report.comparison import change_told, figures_told
from coinfer.report.html.look import height, layout, rows
from coinfer.report.html.material import Absent, Figure, Line, Table, significant
from coinfer.stats import Row

_COLOURS: Final = {
    **dict.fromkeys(("faster", "better"), "var(--good)"),
    **dict.fromkeys(("slower", "worse"), "var(--bad)"),
    "same": "var(--faint)",
    "inconclusive": "var(--warn)",
}
_SYMBOLS: Final = {
    **dict.fromkeys(("faster", "better"), "circle"),
    **dict.fromkeys(("slower", "worse"), "diamond"),
    "same": "square-open",
    "inconclusive": "circle-open",
}


def amounts(compared: Sequence[Row], at: Sequence[Mapping[str, str]]) -> Figure | Absent:
    """Changes of what is compared by its quotient.

    Parameters
    ----------
    compared : sequence of Row
    at : sequence of mapping
        Metric, coordinates and verdict of each row, as the page filters by them.
    """
    changes = {
        n: [
            None if end is None else 100 * (end - 1) for end in (row.ratio, row.ci_low, row.ci_high)
        ]
        for n, row in enumerate(compared)
        if row.difference is None and row.ratio is not None
    }
    return _figure(
        "amounts",
        "Changes of amounts",
        "change in percent of the base",
        "Of times, MACs, bytes and all else that is compared by its quotient.",
        changes,
        compared,
        at,
    )


def shares(compared: Sequence[Row], at: Sequence[Mapping[str, str]]) -> Figure | Absent:
    """Changes of what is a share of the requests; parameters as of `amounts`."""
    changes = {
        n: [
            None if end is None else 100 * end
            for end in (row.difference, row.difference_low, row.difference_high)
        ]
        for n, row in enumerate(compared)
        if row.difference is not None
    }
    return _figure(
        "shares",
        "Changes of shares",
        "change in points",
        "Of accuracy and all else that is a share of the requests.",
        changes,
        compared,
        at,
    )


def _figure(
    name: str,
    title: str,
    axis: str,
    caption: str,
    changes: Mapping[int, Sequence[float | None]],
    compared: Sequence[Row],
    at: Sequence[Mapping[str, str]],
) -> Figure | Absent:
    if not changes:
        return Absent(name, title, "no row has such a change")
    labels = {n: _label(at[n]) for n in changes}
    verdicts = dict.fromkeys(compared[n].verdict for n in changes)
    return Figure(
        name,
        title,
        f"{caption} Bars are 95 % intervals; what is exact has none.",
        [
            _points(
                verdict,
                {n: ends for n, ends in changes.items() if compared[n].verdict == verdict},
                labels,
                compared,
            )
            for verdict in verdicts
        ],
        layout(
            axis,
            "",
            yaxis=rows(list(labels.values())),
            height=height(len(labels)),
            xaxis={"zeroline": True, "zerolinecolor": "var(--faint)", "zerolinewidth": 2},
        ),
        Table(
            title,
            ("row", "base → new", "change", "verdict"),
            [
                Line(
                    (n,),
                    (
                        label.replace("<br>", ", "),
                        figures_told(compared[n]),
                        change_told(compared[n]),
                        compared[n].verdict,
                    ),
                )
                for n, label in labels.items()
            ],
        ),
    )


def _points(
    verdict: str,
    changes: Mapping[int, Sequence[float | None]],
    labels: Mapping[int, str],
    compared: Sequence[Row],
) -> Any:
    sizes = [ends[0] or 0.0 for ends in changes.values()]
    spread = [
        (size if low is None else low, size if high is None else high)
        for size, (_, low, high) in zip(sizes, changes.values(), strict=True)
    ]
    return go.Scatter(
        x=significant(sizes),
        y=[labels[n] for n in changes],
        error_x={
            "type": "data",
            "array": significant([high - x for x, (_, high) in zip(sizes, spread, strict=True)]),
            "arrayminus": significant([x - low for x, (low, _) in zip(sizes, spread, strict=True)]),
            "color": _COLOURS.get(verdict, "var(--faint)"),
            "thickness": 1.5,
            "width": 4,
        },
        mode="markers",
        name=verdict,
        marker={
            "color": _COLOURS.get(verdict, "var(--faint)"),
            "symbol": _SYMBOLS.get(verdict, "x"),
            "size": 11,
        },
        hovertext=[f"<b>{labels[n]}</b><br>{change_told(compared[n])}: {verdict}" for n in changes],
        hoverinfo="text",
        meta={"points": list(changes)},
    )


def _label(at: Mapping[str, str]) -> str:
    """Metric in one line, all else that tells rows apart in the next."""
    rest = ", ".join(
        f"{axis} {value}" for axis, value in at.items() if axis not in ("metric", "verdict")
    )
    return f"{at['metric']}<br>{rest}" if rest else at["metric"]
