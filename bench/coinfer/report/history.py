"""How figures went from run to run, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from coinfer.report.comparison import change_told, figures_told
from coinfer.report.plain import latex_table, markdown_table
from coinfer.stats import Row, Series

_BARS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = "·"
_CHANGES: Final = ("faster", "slower", "better", "worse", "missing", "not-comparable")
_HEADINGS: Final = ("course", "first → last", "change", "verdict", "steps")


def history_table(series: Sequence[Series]) -> Group:
    """Rich table, one line a figure and setting."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    headings, lines = _cells(series)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in ("metric", "course"))
    for line in lines:
        table.add_row(*map(escape, line))
    return Group(*map(escape, _runs(series)), table)


def history_markdown(series: Sequence[Series]) -> str:
    """Write the same for a pull request or a page."""
    headings, lines = _cells(series)
    runs = "".join(f"{line}\n" for line in _runs(series))
    return f"{runs}\n{markdown_table(headings, lines)}"


def history_latex(series: Sequence[Series]) -> str:
    """Write the same for a paper, without the bars, which its fonts do not have."""
    headings, lines = _cells(series)
    left_out = headings.index("course")
    keep = [number for number in range(len(headings)) if number != left_out]
    rows = [[line[number] for number in keep] for line in lines]
    runs = series[0].runs if series else ()
    caption = f"{len(runs)} runs, from {runs[0]} to {runs[-1]}" if runs else "No runs"
    return latex_table([headings[n] for n in keep], rows, caption=caption)


def history_entries(series: Sequence[Series]) -> list[dict[str, Any]]:
    """One object a series, for programs."""
    return [msgspec.to_builtins(one) for one in series]


def course(means: Sequence[float | None]) -> str:
    """Draw figures as bars between the smallest and the largest of them.

    Examples
    --------
    >>> course([1.0, 2.0, None, 1.5]), course([3.0, 3.0])
    ('▁█·▅', '▁▁')
    """
    known = [mean for mean in means if mean is not None]
    if not known:
        return _GAP * len(means)
    low, high = min(known), max(known)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_GAP if m is None else _BARS[round((m - low) * scale)] for m in means)


def _cells(series: Sequence[Series]) -> tuple[list[str], list[list[str]]]:
    axes = dict.fromkeys(axis for one in series for axis in one.where)
    varying = [axis for axis in axes if len({one.where.get(axis) for one in series}) > 1]
    lines = []
    for one in series:
        told = one.overall
        lines.append(
            [
                one.metric,
                *(str(one.where.get(axis, "")) for axis in varying),
                course(one.means),
                *(("-", "-", "-") if told is None else _overall(told)),
                _steps(one),
            ]
        )
    return ["metric", *varying, *_HEADINGS], lines


def _overall(row: Row) -> tuple[str, str, str]:
    return figures_told(row), change_told(row), row.verdict


def _steps(one: Series) -> str:
    """Which runs changed the figure, by their numbers."""
    told = [
        f"{step.verdict} in {number}"
        for number, step in enumerate(one.steps, start=2)
        if step is not None and step.verdict in _CHANGES
    ]
    return ", ".join(told) or "-"


def _runs(series: Sequence[Series]) -> list[str]:
    runs = series[0].runs if series else ()
    return [f"{number}  {label}" for number, label in enumerate(runs, start=1)]
