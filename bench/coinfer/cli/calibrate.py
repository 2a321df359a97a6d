"""``coinfer calibrate``: measure what codecs, decisions and stages cost on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coinfer.cli.console import Format, output_console, print_json, progress_console
from coinfer.cli.list_ import show_rows

if TYPE_CHECKING:
    from coinfer.cluster.cost_table import CostTable
    from coinfer.suite import Cell


def calibrate(
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="Also measure the stages that this suite deploys."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the table to this file.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Measure the cost table of this machine."""
    from coinfer.cli import engine

    table = engine.calibrate(output, _cells(suite) if suite is not None else ())
    if form is Format.JSON:
        import msgspec

        print_json(msgspec.to_builtins(table))
        return
    _show(table)
    if output is not None:
        typer.echo(f"used by: COINFER_COST_TABLE={output} coinfer run …")


def _cells(suite: str) -> tuple[Cell, ...]:
    """All cells of a suite, with their models trained."""
    from coinfer.cli import engine
    from coinfer.cli.choose import cells_of
    from coinfer.cli.training_view import TrainingView
    from coinfer.runtime.realtime.machine import cores

    resolved, cells = cells_of(suite, {})
    engine.check(cells, resolved.origin)
    with TrainingView(progress_console()) as view:
        engine.train(cells, view.progress, workers=cores())
    return cells


def _show(table: CostTable) -> None:
    import msgspec

    show_rows(
        [
            {"kernels": name, "operation": operation, **msgspec.structs.asdict(cost)}
            for name, costs in table.kernels.items()
            for operation, cost in costs.items()
        ]
    )
    if table.stages:
        show_rows([{"stage": k, **msgspec.structs.asdict(s)} for k, s in table.stages.items()])
    speed = (table.reference_macs_per_s or 0) / 1e9
    output_console().print(
        f"{table.measured}, {table.machine}, {table.isa}, torch {table.torch}; reference kernel: "
        f"{table.reference}, {speed:.1f} GMAC/s. Costs are in MACs of the reference kernel; spread "
        "is how much the first and the second half of the rounds differ.",
        markup=False,
        highlight=False,
    )
