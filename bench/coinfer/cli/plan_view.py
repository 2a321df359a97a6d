"""Draws a plan: who runs what, how long each device takes, what decides, and who is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from coinfer.report.numbers import amount

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_BAR_COLUMNS: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_DRAWN: Final = ("groups", "unused", "binding", "parameters", "predicted_latency_ms")
_LABELS: Final = {
    "predicted_latency_ms_by_slowest_replicas": "ms if only slowest replicas are left",
    "latency_ms_by_assignment": "ms by assignment rule, before moves",
    "equal_cost": "cost against rocoin",
}


def show_plan(console: Console, title: str, notes: Mapping[str, Any]) -> None:
    """Print a plan.

    Parameters
    ----------
    console : Console
    title : str
        Markup: what was planned.
    notes : mapping
        What the plan tells of itself; see ``Plan.describe``.
    """
    from rich.markup import escape

    groups = notes.get("groups", [])
    devices = sum(len(group.get("devices", ())) for group in groups)
    console.print(title)
    among = f": {devices} device{_s(devices)} in {len(groups)} group{_s(len(groups))}"
    console.print(
        f"predicted latency [bold]{amount(notes['predicted_latency_ms'])} ms[/] without faults"
        f"{among if groups else ''}"
    )
    console.print()
    if groups:
        console.print(_table(groups))
    for device, reason in notes.get("unused", {}).items():
        console.print(f"[yellow]left out[/]  {escape(device)}: {escape(reason)}")
    if notes.get("binding"):
        console.print(f"[yellow]binding[/]   {escape(notes['binding'])}")
    console.print(_rest(notes))


def _table(groups: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("group", "filters", "runs", "outage", "device"):
        right = heading in ("group", "filters", "outage")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("[green]█[/] first to send, [red]█[/] decides", no_wrap=True)
    times = [group.get("predicted_ms_by_device", {}) for group in groups]
    longest = max((ms for by_device in times for ms in by_device.values()), default=0.0)
    firsts = [min(by_device.values(), default=0.0) for by_device in times]
    for number, (group, by_device) in enumerate(zip(groups, times, strict=True)):
        for place, device in enumerate(group.get("devices", ())):
            ms = by_device.get(device)
            first = ms is not None and ms == firsts[number] and place == 0
            style = "dim"
            if first:
                style = "red" if firsts[number] == max(firsts) and len(groups) > 1 else "green"
            table.add_row(
                *(_about(number, group) if place == 0 else ("",) * 4),
                device,
                "–" if ms is None else amount(ms),
                "" if ms is None else f"[{style}]{_bar(ms / longest)}[/]",
            )
    return table


def _about(number: int, group: Mapping[str, Any]) -> tuple[str, ...]:
    outage = group.get("outage")
    return (
        str(number),
        str(group.get("partition", "–")),
        str(group.get("runs", "–")),
        "–" if outage is None else f"{outage:.2g}",
    )


def _bar(share: float) -> str:
    """Bar of a share of the longest, to an eighth of a column."""
    eighths = max(1, round(share * 8 * _BAR_COLUMNS))
    full, part = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[part] if part else "")


def _rest(notes: Mapping[str, Any]) -> Table:
    """What else the planner noted, and every parameter."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="dim")
    for name, value in notes.items():
        if name not in _DRAWN:
            table.add_row(
                _LABELS.get(name, name.replace("_", " ")), escape(", ".join(_flat(value)))
            )
    table.add_row("parameters", escape(", ".join(_flat(notes["parameters"]))))
    return table


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"{name} = {' '.join(_flat(inner))}"
    elif isinstance(value, list | tuple):
        yield ", ".join(text for inner in value for text in _flat(inner))
    else:
        yield f"{value:.4g}" if isinstance(value, float) else str(value)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
