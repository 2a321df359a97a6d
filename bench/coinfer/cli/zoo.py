"""``coinfer zoo``: the stored models."""

from __future__ import annotations

from typing import Annotated

import typer

from coinfer.cli.console import Format, print_json
from coinfer.cli.list_ import show_rows

app = typer.Typer(no_args_is_help=True, help="Look at the stored models.")


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


@app.callback()
def _zoo() -> None:
    """Keep ``ls`` a sub-command although it is the only one."""
