"""``coinfer train``: make the models that a suite needs."""

from __future__ import annotations

from typing import Annotated

import typer

from coinfer.cli.console import progress_console
from coinfer.cli.options import AxisOption, MethodOption


def train(
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or a TOML file.")],
    method: MethodOption = None,
    axis: AxisOption = None,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Also train what comes with the package, into your own zoo."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("-j", "--workers", min=1, help="Trainings at a time; one a core unless told."),
    ] = None,
) -> None:
    """Train every model that a suite needs and the zoo lacks."""
    from coinfer.cli import engine
    from coinfer.cli.choose import cells_of, overrides_of
    from coinfer.cli.training_view import TrainingView
    from coinfer.runtime.realtime.machine import cores

    resolved, cells = cells_of(suite, overrides_of(method or (), axis or (), None, None))
    engine.check(cells, resolved.origin)
    console = progress_console()
    try:
        with TrainingView(console) as view:
            engine.train(cells, view.progress, workers=workers or cores(), anew=anew)
    except KeyboardInterrupt:
        typer.echo("\nstopped: whole epochs are kept; the same command does the rest", err=True)
        raise typer.Exit(130) from None
    console.print(f"every model of {resolved.name} is in the zoo (coinfer zoo ls)")
