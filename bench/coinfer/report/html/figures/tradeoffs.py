"""Accuracy against what it costs, with the settings that no other beats in both."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from coinfer.report.html.figures.keys import condition_keys
from coinfer.report.html.look import layout
from coinfer.report.html.material import Absent, Figure, Line, Material, Setting, Table, significant
from coinfer.report.numbers import amount, milliseconds, percent
from coinfer.report.settings import accuracy_interval, mean_figure, median_figure


def against_latency(material: Material) -> Figure | Absent:
    """Accuracy against the median latency; medians beyond the deadline are not drawn."""
    return _tradeoff(material, "latency_p50_ms", "latency", "median latency", " ms")


def against_macs(material: Material) -> Figure | Absent:
    """Accuracy against the MACs of a request."""
    return _tradeoff(material, "macs_per_request", "macs", "MACs per request", "")


def against_bytes(material: Material) -> Figure | Absent:
    """Accuracy against the bytes from devices to the source."""
    return _tradeoff(material, "bytes_up_per_request", "bytes", "bytes up per request", "")


def _tradeoff(material: Material, figure: str, name: str, noun: str, unit: str) -> Figure | Absent:
    title = f"Accuracy against {noun}"
    settings = [s for s in material.settings if s.done]
    if not settings:
        return Absent(name, title, "no cell is done")
    costs = {s.number: cost(s, figure) for s in settings}
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in settings:
        if costs[setting.number] is not None:
            groups.setdefault((setting.condition, setting.method), []).append(setting)
    traces = [*condition_keys(material), *_fronts(material, groups)]
    named: set[str] = set()
    for (condition, method), alike in groups.items():
        traces.append(_points(material, alike, condition, method, costs, figure, method in named))
        named.add(method)
    drawn = sum(map(len, groups.values()))
    left = f" {len(settings) - drawn} without a median within the deadline are in the table only."
    return Figure(
        name,
        title,
        "A point is a setting with the 95 % interval of its accuracy over seeds, which may leave "
        "the frame; up and to the left is better. The stepped line joins what no other shown "
        "setting beats in both (Pareto front)." + (left if drawn < len(settings) else ""),
        traces,
        layout(
            noun + (f" ({unit.strip()})" if unit else ""),
            "accuracy",
            xaxis={"rangemode": "tozero", "ticksuffix": unit},
            yaxis={"ticksuffix": " %"},
            height=420,
        ),
        Table(
            f"{title}, by setting",
            (*material.axes, "accuracy", "95 % interval, %", noun),
            [_line(material, s, figure) for s in settings],
        ),
    )


def cost(setting: Setting, figure: str) -> float | None:
    """Median over seeds of a latency, mean of all else: as the table of the terminal has it."""
    pick = median_figure if figure.startswith("latency") else mean_figure
    return pick(setting.done, figure)


def cost_text(setting: Setting, figure: str) -> str:
    """The same as a text."""
    value = cost(setting, figure)
    if figure.startswith("latency"):
        return milliseconds(value, setting.cells[0].cell.deadline_ms) + " ms"
    return amount(value)


def interval_text(setting: Setting) -> str:
    """95 % interval of the accuracy over seeds, in percent."""
    around = accuracy_interval(setting.done)
    return "-" if around is None else f"{100 * around[0]:.1f}–{100 * around[1]:.1f}"


def _points(
    material: Material,
    alike: list[Setting],
    condition: str,
    method: str,
    costs: dict[int, float | None],
    figure: str,
    is_named: bool,
) -> Any:
    means = [100 * (mean_figure(s.done, "accuracy") or 0.0) for s in alike]
    around = [accuracy_interval(s.done) for s in alike]
    return go.Scatter(
        x=significant([costs[s.number] for s in alike]),
        y=significant(means),
        error_y={
            "type": "data",
            "array": [
                0 if a is None else 100 * a[1] - m for a, m in zip(around, means, strict=True)
            ],
            "arrayminus": [
                0 if a is None else m - 100 * a[0] for a, m in zip(around, means, strict=True)
            ],
            "thickness": 1,
            "width": 3,
        },
        mode="markers",
        name=method,
        legendgroup=method,
        showlegend=not is_named,
        marker={
            "symbol": material.look.symbol(method, condition),
            "color": material.look.colour(method),
            "size": 12,
            "line": {"width": 2 if "-open" in material.look.symbol(method, condition) else 0},
        },
        hovertext=[_hover(s, figure) for s in alike],
        hoverinfo="text",
        meta={"points": [s.number for s in alike], "condition": condition},
    )


def _hover(setting: Setting, figure: str) -> str:
    accuracy = percent(mean_figure(setting.done, "accuracy"))
    return f"<b>{setting.label}</b><br>{accuracy} ({interval_text(setting)})<br>" + (
        cost_text(setting, figure)
    )


def _fronts(material: Material, groups: dict[tuple[str, str], list[Setting]]) -> list[Any]:
    """Empty lines, which the page fills from the points that it shows."""
    return [
        go.Scatter(
            x=[],
            y=[],
            mode="lines",
            line={"shape": "hv", "width": 1.5, "color": "var(--faint)"}
            | {"dash": material.look.dash(condition)},
            hoverinfo="skip",
            showlegend=False,
            meta={"front": condition},
        )
        for condition in dict.fromkeys(condition for condition, _ in groups)
    ]


def _line(material: Material, setting: Setting, figure: str) -> Line:
    mean = mean_figure(setting.done, "accuracy")
    return Line(
        (setting.number,),
        (
            *(setting.at[axis] for axis in material.axes),
            *(percent(mean), interval_text(setting), cost_text(setting, figure)),
        ),
    )
