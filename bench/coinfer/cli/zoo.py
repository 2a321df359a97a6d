"""``coinfer zoo``: the stored models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
        show_rows([_short(row) for row in rows])


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """What a person looks for in a list of models; ``--format json`` has all of it."""
    inputs, record = row["inputs"], row["record"]
    accuracy = record.get("validation_accuracy", "")
    deepest = accuracy[-1] if isinstance(accuracy, list) else accuracy
    return {
        "address": row["address"][:12],
        "what": inputs["what"],
        "dataset": inputs.get("dataset", ""),
        "portions": len(inputs["partitions"]) if "partitions" in inputs else inputs.get("k", ""),
        "train_seed": inputs.get("train_seed", ""),
        "validation_accuracy": f"{100 * deepest:.1f} %" if deepest != "" else "",
        "folder": str(Path(row["path"]).parent),
    }


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
