"""Where things are printed, and how wide."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

RUNS: Final = Path("results/runs")
_WIDTH: Final = 100


class Format(StrEnum):
    """Forms of output for people and programs."""

    TABLE = "table"
    JSON = "json"


def output_console() -> Console:
    """Write to standard output: at most 100 columns, and that many where it is no terminal."""
    return _console(stderr=False)


def progress_console() -> Console:
    """Write to standard error, for what goes on."""
    return _console(stderr=True)


def print_json(value: Any) -> None:
    """Print JSON for programs to standard output."""
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def _console(stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    stream = sys.stderr if stderr else sys.stdout
    narrower = stream.isatty() and console.width < _WIDTH
    return console if narrower else Console(stderr=stderr, highlight=False, width=_WIDTH)
