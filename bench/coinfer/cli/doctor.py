"""``coinfer doctor``: look at this machine and say what would spoil results."""

from __future__ import annotations

from typing import Annotated

import typer

from coinfer.cli.console import Format, output_console, print_json


def doctor(
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Check this machine; reads only, and needs no special rights."""
    from coinfer.cli.checks import examine

    findings = examine()
    if form is Format.JSON:
        print_json([finding._asdict() for finding in findings])
        return
    from rich.markup import escape
    from rich.table import Table

    styles = {"ok": "green", "advice": "yellow", "problem": "red"}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        told = escape(finding.found)
        advice = f"\n→ {escape(finding.advice)}" if finding.advice else ""
        level = f"[{styles[finding.level]}]{finding.level}[/]"
        table.add_row(level, finding.check, told + advice)
    output_console().print(table)
