"""``coinfer sweep``: every exit rule at every threshold, from remembered outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coinfer.cli.console import Format, output_console, print_json, progress_console
from coinfer.cli.options import AxisOption, MethodOption


def sweep(
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or a TOML file.")],
    method: MethodOption = None,
    axis: AxisOption = None,
    resamplings: Annotated[
        int, typer.Option(min=0, help="Draws of the splits that test every promise; 0: none.")
    ] = 500,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder that gets one folder a suite.")
    ] = Path("results/sweeps"),
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Sweep exit rules and thresholds over the networks of a suite, without running them."""
    from coinfer.cli import engine
    from coinfer.cli.choose import cells_of, overrides_of
    from coinfer.cli.training_view import TrainingView
    from coinfer.store import write_sweep
    from coinfer.store.output import check_writable

    resolved, cells = cells_of(suite, overrides_of(method or (), axis or (), None, None))
    check_writable(output)
    with TrainingView(progress_console()) as view:
        found, fronts = engine.sweep(cells, resolved, resamplings, view.progress)
    folder = output / resolved.name
    write_sweep(folder, found, fronts)
    if form is Format.JSON:
        import msgspec

        print_json(msgspec.to_builtins(found))
        return
    from coinfer.report.sweep import show_sweep

    console = output_console()
    show_sweep(console, found)
    console.print(f"\nresults  {folder}", soft_wrap=True)
