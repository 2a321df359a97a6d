"""A comparison as sentences and a table: for the terminal, a pull request, a paper, a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from coinfer.report.numbers import amount, percent, points, ratio, span
from coinfer.report.plain import latex_table, markdown_table
from coinfer.report.sentences import named, sentences, varying_axes
from coinfer.stats import Row, seeds_that_differ

_STYLES: Final = {
    "slower": "red",
    "worse": "red",
    "faster": "green",
    "better": "green",
    "inconclusive": "yellow",
    "not-comparable": "magenta",
    "missing": "magenta",
    "same": "dim",
}
_NUMBERS: Final = ("base → new", "change", "p", "McNemar")
_WHOLE: Final = ("metric", "method", "new", "verdict")
"""Columns whose words are not broken."""

_MOST_SENTENCES: Final = 8
_WIDTH: Final = 100

Order: TypeAlias = Literal["given", "verdict", "change", "p", "metric"]
ORDERS: Final = get_args(Order)


class RowTable(NamedTuple):
    """Rows as texts, and the notes that verdicts refer to by number."""

    headings: list[str]
    lines: list[list[str]]
    notes: list[str]


def ordered(rows: Sequence[Row], order: Order) -> list[Row]:
    """Sort rows: worst verdicts, largest changes or smallest p-values first, or by metric.

    Rows that are equal in that keep their order.
    """
    verdicts = list(_STYLES)
    keys: dict[Order, Callable[[Row], Any]] = {
        "given": lambda _row: 0,
        "verdict": lambda row: verdicts.index(row.verdict),
        "change": lambda row: -_magnitude(row),
        "p": lambda row: math.inf if row.p_adjusted is None else row.p_adjusted,
        "metric": lambda row: row.metric,
    }
    return sorted(rows, key=keys[order])


def comparison_table(rows: Sequence[Row]) -> Group:
    """Sentences and a table for each metric, which fits 100 columns better than one for all.

    Rows whose order mixes metrics stay in it: they make one table. Noisy rows are shown like all
    others, as inconclusive.
    """
    blocks = [list(block) for _, block in groupby(rows, lambda row: row.metric)]
    if len(blocks) > len({row.metric for row in rows}):
        headings, lines, notes = row_table(rows)
        tables = [_table(rows, headings, lines)]
    else:
        headings, lines, notes = row_table(rows, unit="")
        left = iter(lines)
        tables = [_own_table(block, headings, [next(left) for _ in block]) for block in blocks]
    told = map(escape, (title(rows), *sentences_told(rows)))
    return Group(*told, *tables, *map(escape, notes))


def _own_table(rows: Sequence[Row], headings: Sequence[str], lines: Sequence[list[str]]) -> Table:
    """Table of one metric, which is its title and no column; what no row fills is left out."""
    kept = [n for n in range(1, len(headings)) if any(line[n] for line in lines)]
    told = {"change": "change, points"} if any(r.difference is not None for r in rows) else {}
    table = _table(
        rows,
        [told.get(headings[n], headings[n]) for n in kept],
        [[line[n] for n in kept] for line in lines],
        whole=(*_WHOLE, *_NUMBERS, *told.values()),
    )
    table.title, table.title_justify = f"\n[bold not italic]{escape(rows[0].metric)}[/]", "left"
    return table


def _table(
    rows: Sequence[Row],
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    whole: Sequence[str] = _WHOLE,
) -> Table:
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    # Two spaces between columns where there is room for them.
    space = 1 if sum(widths) + 2 * len(widths) <= _WIDTH else 0
    table = Table(box=box.SIMPLE_HEAD, padding=(0, space, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in whole)
    for row, line in zip(rows, lines, strict=True):
        *left, verdict = map(escape, line)
        table.add_row(*left, f"[{_STYLES[row.verdict]}]{verdict}[/]")
    return table


def comparison_markdown(rows: Sequence[Row]) -> str:
    """Write the same for a pull request."""
    headings, lines, notes = row_table(rows)
    text = [f"**{title(rows)}**", *(f"- {sentence}" for sentence in sentences_told(rows))]
    table = markdown_table(headings, lines, _NUMBERS)
    return "\n\n".join([text[0], "\n".join(text[1:]), table, *notes]).rstrip() + "\n"


def comparison_latex(rows: Sequence[Row]) -> str:
    """Write the same table for a paper; its caption says who is held against whom."""
    headings, lines, notes = row_table(rows)
    return latex_table(headings, lines, caption=title(rows), notes=notes, right=_NUMBERS)


def comparison_entries(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One object a row for programs, each with its own sentence."""
    told = [sentences([row], among=rows)[0] for row in rows]
    return [
        {**msgspec.to_builtins(row), "sentence": sentence}
        for row, sentence in zip(rows, told, strict=True)
    ]


def summary(rows: Sequence[Row]) -> str:
    """Count the verdicts in one line."""
    counts = {name: sum(r.verdict == name for r in rows) for name in _STYLES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(rows)} comparisons: {told}." if rows else "Nothing to compare."


def title(rows: Sequence[Row]) -> str:
    """Who is held against whom."""
    base = ", ".join(dict.fromkeys(row.base for row in rows))
    new = ", ".join(dict.fromkeys(row.new for row in rows))
    return f"{new} against {base}"


def sentences_told(rows: Sequence[Row]) -> list[str]:
    """Sentences about the settings in which something is not the same."""

    def setting(row: Row) -> tuple[object, ...]:
        return row.base, row.new, *row.where.items()

    settings = {setting(row) for row in rows}
    worth = {setting(row) for row in rows if row.verdict != "same"}
    if len(settings) == 1:
        worth = settings
    told = sentences([row for row in rows if setting(row) in worth], among=rows)
    left = len(told) - _MOST_SENTENCES
    return told if left <= 0 else [*told[:_MOST_SENTENCES], f"… and {left} more such sentences."]


def row_table(rows: Sequence[Row], unit: str = " points") -> RowTable:
    """Headings, lines, and the notes that the verdicts refer to by number; `unit`: of shares."""
    varying = varying_axes(rows)
    several = len({row.new for row in rows}) > 1
    by_items = any(row.items for row in rows)
    headings = ["metric", *varying, *(["new"] if several else [])]
    headings += ["base → new", "change", "p", *(["McNemar"] if by_items else []), "verdict"]
    reasons = list(dict.fromkeys(row.reason for row in rows if row.reason is not None))
    lines = []
    for row in rows:
        note = "" if row.reason is None else f" [{reasons.index(row.reason) + 1}]"
        lines.append(
            [
                row.metric,
                *(str(row.where.get(axis, "")) for axis in varying),
                *([row.new] if several else []),
                *(figures_told(row), change_told(row, unit), _p(row)),
                *([_items(row)] if by_items else []),
                row.verdict + note,
            ]
        )
    notes = [f"[{n}] {reason}" for n, reason in enumerate(reasons, start=1)]
    if by_items:
        notes.append("McNemar: seeds in which the two sides differ on the same items, of all seeds")
    return RowTable(headings, lines, notes)


def _magnitude(row: Row) -> float:
    """Size of a change, whichever way it went; without bound where a side does not answer."""
    if row.difference is not None:
        return abs(row.difference)
    if row.ratio is not None:
        return abs(math.log(row.ratio))
    return math.inf if row.regression or row.verdict in ("faster", "better") else -1.0


def figures_told(row: Row) -> str:
    """Both sides' means, as people read them."""
    if row.base_mean is None and row.new_mean is None:
        return "-"
    show = percent if named(row).scale == "share" else amount
    return f"{show(row.base_mean)} → {show(row.new_mean)}"


def change_told(row: Row, unit: str = " points") -> str:
    """Say how large a change is, with its interval; `unit`: of a difference of shares."""
    if row.difference is not None:
        low, high = row.difference_low, row.difference_high
        around = "" if low is None or high is None else f" ({points(low)} to {points(high)})"
        return f"{points(row.difference)}{unit}{'' if row.exact else around}"
    if row.ratio is None:
        return "-"
    around = span(row.ci_low, row.ci_high)
    return f"{ratio(row.ratio)} ({around})" if around else ratio(row.ratio)


def _p(row: Row) -> str:
    if row.p_adjusted is None:
        return "exact" if row.exact and row.pairs else "-"
    return f"{row.p_adjusted:.3f}"


def _items(row: Row) -> str:
    return f"{seeds_that_differ(row.items, row.alpha)}/{len(row.items)}" if row.items else ""
