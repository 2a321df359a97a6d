"""``coinfer zoo``: the stored models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coinfer.cli.console import Format, print_json
from coinfer.cli.list_ import show_rows

app = typer.Typer(no_args_is_help=True, help="Look at the stored models, copy them, clean up.")


@app.command("ls")
def ls(
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """List the stored models."""
    from coinfer.cli import engine

    rows = engine.zoo_entries()
    if form is Format.JSON:
        print_json(rows)
    else:
        show_rows(rows)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Zoo to copy them to.")],
) -> None:
    """Copy every model of the user's zoo, but none of the cached answers of teachers."""
    from coinfer.cli import engine

    copied = engine.zoo_export(folder)
    typer.echo(f"{copied} artifacts copied to {folder}")


@app.command("gc")
def gc() -> None:
    """Remove what is half-written or damaged from the user's zoo."""
    from coinfer.cli import engine

    removed = engine.zoo_gc()
    for path in removed:
        typer.echo(path)
    typer.echo(f"{len(removed)} files removed", err=True)
