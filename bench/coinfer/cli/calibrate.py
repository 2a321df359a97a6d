"""``coinfer calibrate``: measure what codecs and decisions cost on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coinfer.cli.console import Format, print_json
from coinfer.cli.list_ import show_rows


def calibrate(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the table to this file.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Measure the cost table of this machine."""
    from coinfer.cli import engine

    found = engine.calibrate(output)
    if form is Format.JSON:
        print_json(found)
        return
    show_rows(
        [
            {"kernels": name, "operation": operation, **cost}
            for name, costs in found["kernels"].items()
            for operation, cost in costs.items()
        ]
    )
