"""``--html`` of ``coinfer report`` and ``coinfer compare``: one file for a browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coinfer.errors import UsageError

if TYPE_CHECKING:
    from coinfer.cli.compare_sides import Compared
    from coinfer.store import Contents, RunFolder


def write_html(runs: Sequence[tuple[RunFolder, Contents]], file: Path) -> Path:
    """Write the report of one or several runs as one HTML file; returns that file.

    Raises
    ------
    UsageError
        If a run is given twice, or the file cannot be written.
    """
    from coinfer.report.html import Shown, page

    paths = [folder.path.resolve() for folder, _ in runs]
    if len(set(paths)) < len(paths):
        raise UsageError("--html: a run is given twice; give each once")
    names = _names(paths)
    text = page([Shown(name, *run) for name, run in zip(names, runs, strict=True)])
    _write(file, text)
    return file


def write_comparison(compared: Compared, file: Path) -> None:
    """Write a comparison as one HTML file.

    Raises
    ------
    UsageError
        If there is nothing to show, or the file cannot be written.
    """
    from coinfer.report.html import comparison_page

    if not compared.rows:
        raise UsageError("--html: no row to show; the sides have no cells in common")
    _write(file, comparison_page(compared.rows, compared.runs, compared.corrupt))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the folders, with those of their parents where they are alike; none for one run."""
    if len(paths) == 1:
        return [""]
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [f"{path.parent.name}/{path.name}" for path in paths]
