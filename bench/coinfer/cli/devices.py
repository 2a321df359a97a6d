"""``coinfer devices``: the boards of an inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coinfer.cli.console import Format, print_json
from coinfer.cli.list_ import show_rows

if TYPE_CHECKING:
    from coinfer.runtime.boards.probe import Probed

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look at the boards of an inventory.",
)


@app.callback()
def _group() -> None:
    """Keep the name of the one command."""


@app.command("probe")
def probe(
    inventory: Annotated[Path, typer.Argument(help="TOML file that names the boards.")],
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
) -> None:
    """Wait for the boards, and show what they are, the way to them and how fast they are."""
    import msgspec

    from coinfer.runtime.boards.probe import probe as look
    from coinfer.suite import load_inventory

    cluster = load_inventory(inventory)
    found = look(cluster)
    missing = [name for name in cluster.names if name not in {one.name for one in found}]
    if form is Format.JSON:
        print_json({"boards": msgspec.to_builtins(found), "missing": missing})
    elif found:
        show_rows([_row(one) for one in found])
    if missing:
        typer.echo(f"did not join: {', '.join(missing)}", err=True)
        raise typer.Exit(1)


def _row(one: Probed) -> dict[str, Any]:
    facts = one.facts
    temperature = facts.temperature_c
    return {
        "name": one.name,
        "machine": facts.machine,
        "model": facts.model,
        "cores": facts.cores,
        "governor": facts.governor or "?",
        "temperature": "?" if temperature is None else f"{temperature:.0f} °C",
        "round trip": f"{one.round_trip_us:.0f} µs",
        "down": f"{one.down_bps / 1e6:.3g} Mbit/s",
        "up": f"{one.up_bps / 1e6:.3g} Mbit/s",
        "reference": f"{one.reference_macs_per_s / 1e9:.3g} GMAC/s",
        "kernels": facts.kernels[0],
    }
