"""``coinfer report --export-trace``: which cells go into a trace, and the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from coinfer.errors import UsageError, hint

if TYPE_CHECKING:
    from coinfer.store import RunFolder, StoredCell


def export(run: RunFolder, file: Path, filters: Sequence[str], requests: str | None) -> None:
    """Write the timelines of some cells as one trace.

    Parameters
    ----------
    run : RunFolder
    file : Path
    filters : sequence of str
        ``AXIS=VALUE,…``: cells that match one of them. None: the first cell of each method.
    requests : str or None
        Which requests, as ``coinfer run --timeline`` takes them; None: all that were kept.

    Raises
    ------
    UsageError
        If there is no timeline, no such cell, or the file cannot be written.
    """
    from coinfer.report import Traced, trace
    from coinfer.suite import parse_requests, shipped_suites

    wanted = None if requests is None else parse_requests(requests, "--requests")
    stored = [one for one in run.contents().cells if one.timeline_sha256 is not None]
    if not stored:
        name = run.info.suite.name
        suite = name if name in shipped_suites() else f"{name}.toml"
        raise UsageError(
            f"{run.path}: has no timelines; record some with 'coinfer run {suite} "
            "--timeline 0..9' (and the options that made this run), and report that run"
        )
    chosen = _matching(stored, filters) if filters else _first_of_each_method(stored)
    text = trace([Traced(one, run.records(one), run.timeline(one)) for one in chosen], wanted)
    try:
        file.write_bytes(text)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
    for one in chosen:
        typer.echo(f"{file}: {one.cell.key}", err=True)
    typer.echo(f"open {file} at https://ui.perfetto.dev or chrome://tracing", err=True)


def _first_of_each_method(cells: Sequence[StoredCell]) -> list[StoredCell]:
    first: dict[str, StoredCell] = {}
    for one in cells:
        first.setdefault(one.cell.method.variant, one)
    return list(first.values())


def _matching(cells: Sequence[StoredCell], filters: Sequence[str]) -> list[StoredCell]:
    wanted = [_parsed(text, cells[0]) for text in filters]
    found = [one for one in cells if any(_said(one).items() >= w.items() for w in wanted)]
    if not found:
        raise UsageError(
            f"--cell {' '.join(filters)}: no cell with a timeline is like that; they are "
            + ", ".join(one.cell.key for one in cells[:3])
            + (", …" if len(cells) > 3 else "")
        )
    return found


def _parsed(text: str, example: StoredCell) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    axes = _said(example)
    for axis, equals, _ in pairs:
        if not equals or axis not in axes:
            raise UsageError(f"--cell {text}: write AXIS=VALUE,…; {hint(axis, axes)}")
    return {axis: value for axis, _, value in pairs}


def _said(one: StoredCell) -> dict[str, str]:
    """Coordinates as the key of a cell has them."""
    pairs = [part.partition("=") for part in one.cell.key.split(",")]
    return {axis: value for axis, _, value in pairs}
