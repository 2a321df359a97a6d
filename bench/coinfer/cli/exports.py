"""``coinfer report --html`` and ``--export-…``: runs as files for others to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from coinfer.cli.export_html import write_html
from coinfer.errors import UsageError

if TYPE_CHECKING:
    from coinfer.store import Contents, RunFolder, StoredCell


class Exports(NamedTuple):
    """Where each form goes; None where it was not asked for."""

    csv: Path | None = None
    parquet: Path | None = None
    markdown: Path | None = None
    latex: Path | None = None
    html: Path | None = None


def export(runs: Sequence[tuple[RunFolder, Contents]], exports: Exports) -> None:
    """Write what was asked for, and say on standard error what was written.

    Raises
    ------
    UsageError
        If a file cannot be written, or there is nothing to write.
    """
    from coinfer.report.export import write_csv, write_parquet
    from coinfer.report.run_tables import run_latex, run_markdown

    written: list[Path] = []
    if exports.csv is not None:
        written += write_csv(runs, exports.csv)
    if exports.parquet is not None:
        written += write_parquet(runs, exports.parquet)
    for path, table in ((exports.markdown, run_markdown), (exports.latex, run_latex)):
        if path is not None:
            written.append(_write_tables(runs, path, table))
    if exports.html is not None:
        written.append(write_html(runs, exports.html))
    for path in written:
        typer.echo(f"wrote {path}", err=True)


def _write_tables(
    runs: Sequence[tuple[RunFolder, Contents]],
    path: Path,
    table: Callable[[Sequence[StoredCell], str], str],
) -> Path:
    """Write one table of figures a run, with the run's question over it."""
    texts = []
    for run, contents in runs:
        done = [stored for stored in contents.cells if stored.status == "done"]
        if not done:
            raise UsageError(f"{run.path}: has no finished cell; there is nothing to export")
        texts.append(table(done, run.info.suite.question))
    try:
        path.write_text("\n".join(texts), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    return path
