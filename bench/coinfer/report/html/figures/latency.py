"""Distribution of the latency over all requests, those without an answer included."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from coinfer.report.html.figures.keys import condition_keys
from coinfer.report.html.look import layout
from coinfer.report.html.material import Absent, Figure, Line, Material, Setting, Table
from coinfer.report.numbers import milliseconds, percent

MOST_POINTS: Final = 160
"""A curve with more looks the same."""

_SHARES: Final = {"p5": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99}


def latency(material: Material) -> Figure | Absent:
    """One curve a setting, over the requests of all its seeds."""
    title = "Latency of all requests"
    settings = [s for s in material.settings if s.done]
    if not settings:
        return Absent("distribution", title, "no cell is done")
    deadlines = sorted({s.cells[0].cell.deadline_ms for s in settings})
    samples = {s.number: material.latencies(s) for s in settings}
    edge_ms = 1.05 * max(deadlines)
    first = {s.method: s.number for s in reversed(settings)}
    curves = [
        _curve(material, s, samples[s.number], edge_ms, s.number == first[s.method])
        for s in settings
    ]
    return Figure(
        "distribution",
        title,
        "Share of requests answered within a time from their intended arrival, over all seeds. A "
        "curve that ends below 100 % leaves the rest unanswered at the deadline (vertical line).",
        [*condition_keys(material, "lines"), *curves],
        layout(
            "latency (ms)",
            "share of all requests",
            xaxis={"range": [0, edge_ms], "ticksuffix": " ms"},
            yaxis={"range": [0, 102], "ticksuffix": " %"},
            height=460,
            shapes=[_deadline(ms) for ms in deadlines],
        ),
        Table(
            "Percentiles of the latency in ms over all requests of all seeds",
            (*material.axes, "requests", *_SHARES, "no answer"),
            [_line(material, s, samples[s.number]) for s in settings],
        ),
    )


def distribution(
    sample: npt.NDArray[np.float64], edge_ms: float
) -> tuple[list[float], list[float]]:
    """Steps of the empirical distribution, thinned to `MOST_POINTS`, up to the edge of the figure.

    Parameters
    ----------
    sample : ndarray of float64, shape (requests,)
        Sorted; +inf where there was no answer.
    edge_ms : float

    Returns
    -------
    latency_ms, percent : list of float
        ``percent[i]`` % of all requests took at most ``latency_ms[i]``.
    """
    answered = int(np.isfinite(sample).sum())
    kept = np.unique(np.linspace(0, answered, MOST_POINTS, endpoint=False, dtype=np.int64))
    kept = np.append(kept, answered - 1) if answered else kept[:0]
    # To the nanosecond; of equal latencies the last one says how many were that fast.
    x = [0.0, *(round(float(ms), 6) for ms in sample[kept])]
    within = np.searchsorted(sample, sample[kept], side="right")
    y = [0.0, *(round(100 * int(count) / len(sample), 3) for count in within)]
    return [*x, max(edge_ms, x[-1])], [*y, y[-1]]


def _curve(
    material: Material,
    setting: Setting,
    sample: npt.NDArray[np.float64],
    edge_ms: float,
    named: bool,
) -> Any:
    x, y = distribution(sample, edge_ms)
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name=setting.method,
        legendgroup=setting.method,
        showlegend=named,
        line={
            "shape": "hv",
            "width": 2,
            "color": material.look.colour(setting.method),
            "dash": material.look.dash(setting.condition),
        },
        hovertemplate=f"<b>{setting.label}</b><br>%{{y:.1f}} within %{{x:.1f}}<extra></extra>",
        meta={"settings": [setting.number]},
    )


def _deadline(ms: float) -> dict[str, Any]:
    return {
        **{"type": "line", "x0": ms, "x1": ms, "y0": 0, "y1": 1, "yref": "paper"},
        "line": {"color": "var(--bad)", "width": 1.5, "dash": "dot"},
        "label": {
            "text": f"deadline {ms:g} ms",
            "textposition": "start",
            "yanchor": "bottom",
            "xanchor": "right",
            "textangle": 0,
            "font": {"color": "var(--bad)", "size": 12},
        },
    }


def _line(material: Material, setting: Setting, sample: npt.NDArray[np.float64]) -> Line:
    found = [float(np.quantile(sample, q, method="inverted_cdf")) for q in _SHARES.values()]
    deadline_ms = setting.cells[0].cell.deadline_ms
    texts = [milliseconds(ms if np.isfinite(ms) else None, deadline_ms) for ms in found]
    unanswered = percent(float(np.mean(~np.isfinite(sample))))
    return Line(
        (setting.number,),
        (*(setting.at[axis] for axis in material.axes), str(len(sample)), *texts, unanswered),
    )
