"""``coinfer report``: show a run, to people or to programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coinfer.cli.console import RUNS, Format, output_console, print_json


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folder, or the folder given to -o (then its newest run)."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Show what a run found."""
    from coinfer.errors import ResultError
    from coinfer.report import entry, show_run
    from coinfer.store import resolve_run

    folders = [resolve_run(path) for path in runs or [RUNS]]
    read = [(folder, folder.contents()) for folder in folders]
    corrupt = [line for _, contents in read for line in contents.corrupt]
    if form is Format.JSON:
        print_json([entry(stored) for _, contents in read for stored in contents.cells])
        for line in corrupt:
            typer.echo(f"error: {line}", err=True)
    else:
        for folder, contents in read:
            show_run(output_console(), folder, contents)
    if corrupt:
        raise typer.Exit(ResultError.exit_code)
