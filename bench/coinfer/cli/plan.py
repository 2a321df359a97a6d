"""``coinfer plan``: who would do what on a cluster, and why; nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from coinfer.cli.console import Format, output_console, print_json

if TYPE_CHECKING:
    from rich.tree import Tree


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
    from rich.tree import Tree

    tree = Tree(f"[bold]{method}[/] on {cluster}, {cell.dataset}")
    _grow(tree, notes)
    output_console().print(tree)


def _grow(tree: Tree, value: Any) -> None:
    from rich.markup import escape

    pairs = value.items() if isinstance(value, dict) else ((str(n), v) for n, v in enumerate(value))
    for name, inner in pairs:
        if isinstance(inner, dict | list | tuple) and inner:
            if any(isinstance(v, dict | list | tuple) for v in _values(inner)):
                _grow(tree.add(escape(str(name))), inner)
            else:
                tree.add(f"{escape(str(name))}: {escape(_flat(inner))}")
        else:
            told = "none" if inner in ({}, [], (), None) else str(inner)
            tree.add(f"{escape(str(name))}: {escape(told)}")


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {inner}" for name, inner in value.items())
    return ", ".join(map(str, value))
