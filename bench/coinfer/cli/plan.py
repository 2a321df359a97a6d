"""``coinfer plan``: who would do what on a cluster, and why; nothing is run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coinfer.cli.console import Format, output_console, print_json


def plan(
    method: Annotated[str, typer.Argument(help="A method, or a variant of the suite.")],
    cluster: Annotated[str, typer.Option(help="A preset, or a cluster of the suite.")] = "mixed-8",
    dataset: Annotated[str | None, typer.Option(help="Data set; default: the suite's.")] = None,
    suite: Annotated[
        str, typer.Option(help="Suite that defines variants and clusters.")
    ] = "quickstart",
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Plan a deployment and show it."""
    from coinfer.cli import engine
    from coinfer.cli.choose import cells_of

    chosen: dict[str, tuple[Any, ...]] = {
        "method": (method,),
        "cluster": (cluster,),
        "faults": ("none",),
        "run_seed": (0,),
    }
    if dataset is not None:
        chosen["dataset"] = (dataset,)
    resolved, (cell, *_) = cells_of(suite, chosen)
    engine.check([cell], resolved.origin)
    notes = engine.plan_notes(cell)
    if form is Format.JSON:
        print_json({"method": method, "cluster": cluster, "dataset": cell.dataset, **notes})
        return
    from rich.markup import escape

    from coinfer.cli.plan_view import show_plan

    title = f"[bold]{escape(method)}[/] on {escape(cluster)}, {escape(cell.dataset)}"
    show_plan(output_console(), title, notes)
