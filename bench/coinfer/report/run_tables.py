"""The figures of a run, one row a setting, for a pull request and for a paper."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from coinfer.report.numbers import amount, milliseconds
from coinfer.report.plain import latex_table, markdown_table
from coinfer.report.settings import (
    accuracy_interval,
    gathered,
    mean_figure,
    median_figure,
    varying_axes,
)
from coinfer.store import StoredCell

_Cells: TypeAlias = Sequence[StoredCell]


def _accuracy(cells: _Cells) -> str:
    text = f"{100 * statistics.fmean(stored.figures['accuracy'] for stored in cells):.1f}"
    around = accuracy_interval(cells)
    return text if around is None else f"{text} ({100 * around[0]:.1f}–{100 * around[1]:.1f})"


def _latency(name: str) -> Callable[[_Cells], str]:
    return lambda cells: milliseconds(median_figure(cells, name), cells[0].cell.deadline_ms)


def _mean(name: str) -> Callable[[_Cells], str]:
    return lambda cells: amount(mean_figure(cells, name))


def _unanswered(cells: _Cells) -> str:
    lost = sum(stored.figures["timeout"] + stored.figures["failed"] for stored in cells)
    return f"{100 * lost / sum(stored.figures['requests'] for stored in cells):.1f}"


_COLUMNS: Final[dict[str, Callable[[_Cells], str]]] = {
    "accuracy % (95 % CI)": _accuracy,
    "unanswered %": _unanswered,
    "p50 ms": _latency("latency_p50_ms"),
    "p95 ms": _latency("latency_p95_ms"),
    "MACs": _mean("macs_per_request"),
    "bytes up": _mean("bytes_up_per_request"),
    "messages": _mean("messages_per_request"),
}


def run_markdown(done: _Cells, caption: str) -> str:
    """Write the table as Markdown, its caption before it.

    Accuracy, MACs, bytes and messages are means over seeds and repeats, latencies medians.
    """
    headings, lines = _table(done)
    return f"**{caption}**\n\n{markdown_table(headings, lines, _COLUMNS)}"


def run_latex(done: _Cells, caption: str) -> str:
    """Write the same table for a paper."""
    headings, lines = _table(done)
    return latex_table(headings, lines, caption=caption, right=_COLUMNS)


def _table(done: _Cells) -> tuple[list[str], list[list[str]]]:
    axes = varying_axes(done)
    lines = [
        [*map(str, key), *(show(cells) for show in _COLUMNS.values())]
        for key, cells in gathered(done, axes).items()
    ]
    return [*axes, *_COLUMNS], lines
