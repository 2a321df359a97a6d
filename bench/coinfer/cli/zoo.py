"""``coinfer zoo``: the stored models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from coinfer.cli.console import Format, print_json
from coinfer.cli.list_ import show_rows

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look at the stored models, copy them, clean up.",
)


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
        # The package's own zoo and the user's: paths are too long to stand in every row.
        folders = list(dict.fromkeys(str(Path(row["path"]).parent) for row in rows))
        show_rows([_short(row, folders) for row in rows])
        for number, folder in enumerate(folders, start=1):
            typer.echo(f"[{number}] {folder}")


def _short(row: dict[str, Any], folders: Sequence[str]) -> dict[str, Any]:
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
        "zoo": f"[{folders.index(str(Path(row['path']).parent)) + 1}]",
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
