"""The report at the end of a run: the answer, the table, what to mind, where to go next."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coinfer.metrics import Metric
from coinfer.report.answer import answers
from coinfer.report.boards import board_lines
from coinfer.report.exits import exit_lines
from coinfer.report.failures import ABOUT, failure_table
from coinfer.report.faults import fault_lines
from coinfer.report.machines import machine_lines
from coinfer.report.numbers import amount, milliseconds
from coinfer.report.settings import (
    accuracy_interval,
    gathered,
    mean_figure,
    median_figure,
    varying_axes,
)
from coinfer.report.took import took_lines
from coinfer.report.twice import twice_lines
from coinfer.store import Contents, RunFolder, StoredCell
from coinfer.suite import AXES, SEED_AXES, Suite
from coinfer.suite.schema import Value

_MOST_LINES: Final = 5
_FIGURES: Final = (
    *("accuracy %\n(95 % CI)", "highest\nreq/s", "p50\nms", "p95\nms", "p99.9\nms", "MACs"),
    *("bytes\nup", "msgs", "ok/degraded/\ntimeout/failed"),
)
_SOMETIMES: Final = {"highest\nreq/s": "max_rate_rps", "p99.9\nms": "latency_p999_ms"}
"""Columns that are shown where every cell has the figure."""

_AXES_SHOWN: Final = {"deadline_ms": "deadline ms"}


def show_run(
    console: Console,
    run: RunFolder,
    contents: Contents,
    *,
    by: str | None = None,
    sort: Metric | None = None,
) -> None:
    """Print the report of a run.

    Parameters
    ----------
    console : Console
    run : RunFolder
    contents : Contents
        What `run` holds.
    by : str, optional
        Axis whose values part the table into sections; every axis but the method unless said.
    sort : Metric, optional
        Rows of a section stand by this figure, the best first; else as in the suite.
    """
    done = [stored for stored in contents.cells if stored.status == "done"]
    suite = run.info.suite
    console.print()
    console.print(f"[bold]{escape(suite.question)}[/]")
    if suite.report.headline is not None and done:
        for sentence in answers(suite.report.headline, done):
            console.print(escape(sentence), style="bold green")
        for finding in suite.report.also:
            for sentence in answers(finding, done):
                console.print(escape(sentence))
    if done:
        console.print()
        console.print(_table(done, by, sort))
        console.print(_about(done), style="dim")
        failures = failure_table(done)
        if failures is not None:
            console.print()
            console.print(failures)
            console.print(ABOUT, style="dim")
    _list(console, "machines", "cyan", machine_lines(run, contents))
    _mind(console, contents)
    _list(console, "took", "cyan", took_lines(run, done))
    _next(console, run, contents)


def _table(done: Sequence[StoredCell], by: str | None, sort: Metric | None) -> Table:
    """One row a setting; seeds and repeats are averaged over."""
    varying = varying_axes(done)
    if by is not None:
        varying = [*(axis for axis in varying if axis != by), by]
    parting = slice(1 if by is None else -1, None)
    rows = list(gathered(done, varying).items())
    if sort is not None:
        sections = list(dict.fromkeys(key[parting] for key, _ in rows))
        rows.sort(key=lambda row: (sections.index(row[0][parting]), _rank(row[1], sort)))
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for axis in varying:
        table.add_column(_AXES_SHOWN.get(axis, axis), overflow="fold", no_wrap=axis == "method")
    lacking = {
        heading
        for heading, name in _SOMETIMES.items()
        if not all(name in stored.figures for stored in done)
    }
    shown = [heading for heading in _FIGURES if heading not in lacking]
    for heading in shown:
        table.add_column(heading, justify="right", no_wrap=True)
    previous = None
    for key, alike in rows:
        if previous not in (None, key[parting]):
            table.add_section()
        previous = key[parting]
        cells = _figures(alike)
        table.add_row(*(escape(str(value)) for value in key), *(cells[name] for name in shown))
    return table


def _rank(cells: Sequence[StoredCell], metric: Metric) -> float:
    """Small where the figure is good; what has none comes last."""
    figure = median_figure if metric.time else mean_figure
    value = figure(cells, metric.name)
    if value is None:
        return math.inf
    return value if metric.better == "lower" else -value


def _figures(cells: Sequence[StoredCell]) -> dict[str, str]:
    """Every column as text."""
    deadline_ms = cells[0].cell.deadline_ms
    rates = [rate for s in cells if (rate := s.figures.get("max_rate_rps")) is not None]
    statuses = [sum(s.figures[n] for s in cells) for n in ("ok", "degraded", "timeout", "failed")]
    texts = (
        _accuracy(cells),
        amount(statistics.median(rates)) if len(rates) == len(cells) else "–",
        milliseconds(median_figure(cells, "latency_p50_ms"), deadline_ms),
        milliseconds(median_figure(cells, "latency_p95_ms"), deadline_ms),
        milliseconds(median_figure(cells, "latency_p999_ms"), deadline_ms),
        amount(mean_figure(cells, "macs_per_request")),
        amount(mean_figure(cells, "bytes_up_per_request")),
        amount(mean_figure(cells, "messages_per_request")),
        "/".join(map(str, statuses)),
    )
    return dict(zip(_FIGURES, texts, strict=True))


def _accuracy(cells: Sequence[StoredCell]) -> str:
    text = f"{100 * statistics.fmean(stored.figures['accuracy'] for stored in cells):.1f}"
    around = accuracy_interval(cells)
    return text if around is None else f"{text} ({100 * around[0]:.1f}–{100 * around[1]:.1f})"


def _about(done: Sequence[StoredCell]) -> str:
    """Say what all rows have in common."""
    varying = set(varying_axes(done))
    at = done[0].cell.coordinates
    common = [
        f"{axis} = {at[axis]:g}" if isinstance(at[axis], float) else f"{axis} = {at[axis]}"
        for axis in AXES
        if axis not in varying and axis not in SEED_AXES
    ]
    seeds = len({(s.cell.train_seed, s.cell.run_seed, s.cell.repeat) for s in done})
    workload = done[0].cell.workload
    requests = workload.requests - workload.warm_up
    return escape(
        f"{', '.join(common)}; {seeds} seed{'s' if seeds != 1 else ''} of {requests} requests. "
        "Accuracy counts an unanswered request as wrong; p50 and p95 of the latency are medians "
        "over seeds; MACs, bytes and messages are means per request." + _costs(done)
    )


def _costs(done: Sequence[StoredCell]) -> str:
    """Say what the times rest on."""
    told = ""
    for name in ("stage_costs", "kernel_costs"):
        if found := list(dict.fromkeys(s.notes[name] for s in done if name in s.notes)):
            told += f" {name.replace('_', ' ').capitalize()}: {'; or '.join(found)}."
    return told


def _mind(console: Console, contents: Contents) -> None:
    """Warnings and everything that is not in the table, each with what it is."""
    warnings = Counter(
        warning
        for stored in contents.cells
        for warning in dict.fromkeys(stored.figures.get("warnings", ()))
    )
    total = len(contents.cells)
    _list(console, "fidelity", "cyan", _fidelity(contents))
    _list(console, "boards", "cyan", board_lines(contents.cells))
    _list(console, "time", "cyan", _native(contents))
    _list(console, "faults", "cyan", fault_lines(contents))
    _list(console, "exits", "cyan", exit_lines(contents))
    _list(console, "twice", "cyan", twice_lines([s for s in contents.cells if s.again]))
    lines = [f"{text} (in {count} of {total} cells)" for text, count in warnings.items()]
    _list(console, "warning", "yellow", lines)
    failed = [s for s in contents.cells if s.status == "failed"]
    _list(console, "failed", "red", [f"{_short(s)}: {s.error}" for s in failed])
    _list(console, "corrupt", "red", list(contents.corrupt))
    if contents.missing:
        total = len(contents.missing) + len(contents.cells) + len(contents.corrupt)
        _list(console, "not done", "yellow", [f"{len(contents.missing)} of {total} cells"])


def _fidelity(contents: Contents) -> list[str]:
    """How far real-time cells can be trusted: the verdicts, and the worst of what they rest on."""
    found = [f for s in contents.cells if (f := s.figures.get("fidelity")) is not None]
    if not found:
        return []
    verdicts = Counter(f["verdict"] for f in found)
    errors = [math.inf if f["paired_p95"] is None else f["paired_p95"] for f in found]
    return [
        ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        + f": at worst {100 * max(errors):.1f} % off virtual time (p95), "
        f"{100 * max(f['overrun_fraction'] for f in found):.1f} % overruns, "
        f"density {max(f['density'] for f in found):.2f}"
    ]


def _native(contents: Contents) -> list[str]:
    """Where the time of native cells went: it is what such a cell measures."""
    lines = []
    for stored in contents.cells:
        parts = stored.figures.get("critical_path_ms") or {}
        if stored.cell.mode == "native" and None not in parts.values() and parts:
            split = ", ".join(f"{name} {ms:.3g}" for name, ms in parts.items())
            lines.append(f"{_short(stored)}: {split} ms (means; link: the transport)")
    return lines


def _list(console: Console, label: str, style: str, lines: Sequence[str]) -> None:
    for line in lines[:_MOST_LINES]:
        console.print(f"[{style}]{label}[/]  {escape(line)}")
    if len(lines) > _MOST_LINES:
        console.print(f"[{style}]{label}[/]  and {len(lines) - _MOST_LINES} more")


def _short(stored: StoredCell) -> str:
    cell = stored.cell
    return f"{cell.method.variant}, faults = {cell.faults_name}, run_seed = {cell.run_seed}"


def _next(console: Console, run: RunFolder, contents: Contents) -> None:
    path = shown_path(run.path)
    by, base, several = _base(run.info.suite)
    commands = [f"coinfer report {path} --format json"]
    if several:
        commands.append(f"coinfer compare {path} --by {by} --base {base}")
    if contents.missing:
        commands.append("the same 'coinfer run' again: does what is missing")
    if any(s.status == "failed" for s in contents.cells):
        commands.append("the same with --retry-failed: runs what failed once more")
    console.print()
    console.print(f"results  {escape(path)}", soft_wrap=True, highlight=False)
    for number, command in enumerate(commands):
        label = "next     " if number == 0 else "         "
        console.print(f"{label}{escape(command)}", soft_wrap=True, highlight=False)


def _base(suite: Suite) -> tuple[str, Value, bool]:
    """Axis to compare along, the value to compare with, and whether there are others."""
    headline = suite.report.headline
    by = headline.by if headline else "method"
    values: Sequence[Value] = getattr(suite.axes, by) or ()
    told = {str(value): value for value in values}
    base = headline.against if headline else ""
    return by, base if base in told else next(iter(told)), len(told) > 1


def shown_path(path: Path) -> str:
    """Path as one would type it: relative where it lies below the current folder."""
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else path)
