"""``coinfer calibrate``: measure what codecs and decisions cost on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from coinfer.cli.console import Format, print_json
from coinfer.cli.list_ import show_rows


def calibrate(
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Measure the cost table of this machine."""
    from coinfer.cli import engine

    found = engine.calibrate()
    if form is Format.JSON:
        print_json(found)
    else:
        show_rows([{"cost": name, "value": value} for name, value in found.items()])
