"""A comparison as a table: for the terminal, and for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from coinfer.metrics import BENCHMARK_METRICS, METRICS
from coinfer.report.numbers import amount, percent, points, ratio, span
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


def comparison_table(rows: Sequence[Row]) -> Group:
    """Rich table; noisy rows are shown like all others, as inconclusive."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    headings, lines, notes = _cells(rows)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == "metric")
    for row, line in zip(rows, lines, strict=True):
        *left, verdict = map(escape, line)
        table.add_row(*left, f"[{_STYLES[row.verdict]}]{verdict}[/]")
    return Group(escape(_title(rows)), table, *map(escape, notes))


def comparison_markdown(rows: Sequence[Row]) -> str:
    """Write the same rows as a Markdown table."""
    headings, lines, notes = _cells(rows)
    table = [headings, ["---"] * len(headings), *lines]
    text = [_title(rows), ""]
    text += ["| " + " | ".join(_plain(c) for c in line) + " |" for line in table]
    return "\n".join([*text, *(f"\n{note}" for note in notes)]) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """Count the verdicts in one line."""
    counts = {name: sum(r.verdict == name for r in rows) for name in _STYLES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(rows)} comparisons: {told}." if rows else "Nothing to compare."


def _title(rows: Sequence[Row]) -> str:
    """Who is held against whom."""
    base = ", ".join(dict.fromkeys(row.base for row in rows))
    new = ", ".join(dict.fromkeys(row.new for row in rows))
    return f"{new} against {base}"


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]], list[str]]:
    """Headings, lines, and the notes that the verdicts refer to by number."""
    axes = list(dict.fromkeys(axis for row in rows for axis in row.where))
    varying = [a for a in axes if len({row.where.get(a) for row in rows}) > 1]
    several = len({row.new for row in rows}) > 1
    headings = ["metric", *varying, *(["new"] if several else [])]
    headings += ["base → new", "change", "p", "verdict"]
    reasons = list(dict.fromkeys(row.reason for row in rows if row.reason is not None))
    lines = []
    for row in rows:
        note = "" if row.reason is None else f" [{reasons.index(row.reason) + 1}]"
        lines.append(
            [
                row.metric,
                *(str(row.where.get(axis, "")) for axis in varying),
                *([row.new] if several else []),
                *(_figures(row), _change(row), _p(row), row.verdict + note),
            ]
        )
    return headings, lines, [f"[{n}] {reason}" for n, reason in enumerate(reasons, start=1)]


def _figures(row: Row) -> str:
    if row.base_mean is None and row.new_mean is None:
        return "-"
    named = METRICS.get(row.metric) or BENCHMARK_METRICS[row.metric]
    show = percent if named.scale == "share" else amount
    return f"{show(row.base_mean)} → {show(row.new_mean)}"


def _change(row: Row) -> str:
    if row.difference is not None:
        low, high = row.difference_low, row.difference_high
        around = "" if low is None or high is None else f" ({points(low)} to {points(high)})"
        return f"{points(row.difference)} points{'' if row.exact else around}"
    if row.ratio is None:
        return "-"
    around = span(row.ci_low, row.ci_high)
    return f"{ratio(row.ratio)} ({around})" if around else ratio(row.ratio)


def _p(row: Row) -> str:
    if row.p_adjusted is None:
        return "exact" if row.exact and row.pairs else "-"
    return f"{row.p_adjusted:.3f}"


def _plain(cell: str) -> str:
    return cell.replace("|", "\\|")
