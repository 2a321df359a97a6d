"""A comparison as a table: for the terminal, and for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.markup import escape
from rich.table import Table

from coinfer.metrics import METRICS
from coinfer.report.numbers import amount, percent, points, ratio
from coinfer.stats import Row

_STYLES: Final = {
    "faster": "green",
    "better": "green",
    "slower": "red",
    "worse": "red",
    "same": "dim",
    "inconclusive": "yellow",
    "not-comparable": "magenta",
    "missing": "magenta",
}


def comparison_table(rows: Sequence[Row]) -> Table:
    """Rich table; noisy rows are shown like all others, as inconclusive."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    headings, lines = _cells(rows)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row, line in zip(rows, lines, strict=True):
        *left, verdict = map(escape, line)
        table.add_row(*left, f"[{_STYLES[row.verdict]}]{verdict}[/]")
    return table


def comparison_markdown(rows: Sequence[Row]) -> str:
    """Write the same rows as a Markdown table."""
    headings, lines = _cells(rows)
    table = [headings, ["---"] * len(headings), *lines]
    return "\n".join("| " + " | ".join(_plain(c) for c in line) + " |" for line in table) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """Count the verdicts in one line."""
    counts = {name: sum(r.verdict == name for r in rows) for name in _STYLES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(rows)} comparisons: {told}." if rows else "Nothing to compare."


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    axes = list(dict.fromkeys(axis for row in rows for axis in row.where))
    varying = [a for a in axes if len({row.where.get(a) for row in rows}) > 1]
    sides = len({(row.base, row.new) for row in rows}) > 1 or "method" not in axes
    headings = ["metric", *varying, *(["base → new"] if sides else [])]
    headings += ["figures", "change", "p", "verdict"]
    lines = []
    for row in rows:
        where = [str(row.where.get(axis, "")) for axis in varying]
        pair = [f"{row.base} → {row.new}"] if sides else []
        told = [_figures(row), _change(row), _p(row), _verdict(row)]
        lines.append([row.metric, *where, *pair, *told])
    return headings, lines


def _figures(row: Row) -> str:
    if row.base_mean is None and row.new_mean is None:
        return "-"
    show = percent if METRICS[row.metric].scale == "share" else amount
    return f"{show(row.base_mean)} → {show(row.new_mean)}"


def _change(row: Row) -> str:
    if row.difference is not None:
        low, high = row.difference_low, row.difference_high
        around = "" if low is None or high is None else f" ({points(low)} to {points(high)})"
        return f"{points(row.difference)} points{'' if row.exact else around}"
    if row.ratio is None:
        return "-"
    around = "" if row.ci_low is None else f" ({row.ci_low:.3g}–{row.ci_high:.3g})"
    return f"{ratio(row.ratio)}{'' if row.exact else around}"


def _p(row: Row) -> str:
    if row.p_adjusted is None:
        return "exact" if row.exact and row.pairs else "-"
    return f"{row.p_adjusted:.3f}"


def _verdict(row: Row) -> str:
    return row.verdict if row.reason is None else f"{row.verdict}: {row.reason}"


def _plain(cell: str) -> str:
    return cell.replace("|", "\\|")
