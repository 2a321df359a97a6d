"""The kernels' benchmarks as tables: against memcpy, an empty call and peers, and the targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coinfer.report.numbers import amount
from coinfer.store.benchmarks import Benchmark, BenchmarkFile

_TOLERANCE: Final = 1.15
"""How far from its target a ratio may be and still be called reached."""

_YARDSTICKS: Final = ("memcpy", "empty call")


def show_benchmarks(console: Console, file: BenchmarkFile) -> None:
    """Print what a file of the kernels' benchmarks holds.

    Parameters
    ----------
    console : Console
    file : BenchmarkFile
        Benchmarks that do not say what they are held against are left out.
    """
    kernels = [b for b in file.benchmarks if not b.is_peer and "ratios" in b.extra_info]
    if not kernels:
        console.print("No benchmarks of kernels.")
        return
    shown = _preferred(file, kernels)
    console.print(f"{_name(shown)} on {file.machine}", markup=False)
    told = "Ratios are time of the kernel over time of the other: below 1 the kernel is faster."
    console.print(told, style="dim")
    console.print(_beside_peers([b for b in kernels if _name(b) == _name(shown)]))
    console.print("Every back end, as a multiple of memcpy")
    console.print(_back_ends(kernels))
    targeted = [b for b in kernels if "target" in b.extra_info]
    if targeted:
        console.print(f"Targets (ok: within {_TOLERANCE - 1:.0%})")
        console.print(_targets(targeted, _name(shown)))


def _beside_peers(kernels: Sequence[Benchmark]) -> Table:
    table = _table("kernel", "size", "time ns", "÷ memcpy", "÷ call", left=2)
    table.add_column("÷ peers, the fastest first", overflow="fold")
    for kernel in kernels:
        ratios = kernel.extra_info["ratios"]
        peers = sorted((r, peer) for peer, r in ratios.items() if peer not in _YARDSTICKS)
        table.add_row(
            *_what(kernel),
            amount(1e9 * kernel.stats.median),
            _ratio(ratios.get("memcpy")),
            _ratio(ratios.get("empty call")),
            escape(", ".join(f"{peer} {_ratio(r)}" for r, peer in reversed(peers))),
        )
    return table


def _back_ends(kernels: Sequence[Benchmark]) -> Table:
    names = list(dict.fromkeys(map(_name, kernels)))
    table = _table("kernel", "size", *names, left=2)
    for what, row in _grouped(kernels):
        ratios = [
            row[name].extra_info["ratio_to_memcpy"] if name in row else None for name in names
        ]
        table.add_row(*what, *map(_ratio, ratios))
    return table


def _targets(kernels: Sequence[Benchmark], shown: str) -> Table:
    names = list(dict.fromkeys(map(_name, kernels)))
    table = _table("kernel", "size", "target", *names, left=3)
    table.add_column(f"{shown} is", no_wrap=True)
    for what, row in _grouped(kernels):
        target = next(iter(row.values())).extra_info["target"]
        measured = [_measured(row[name]) if name in row else None for name in names]
        table.add_row(
            *what,
            f"≤ {target['at_most']:.3g} {target['of']}",
            *map(_ratio, measured),
            _verdict(_measured(row[shown]) if shown in row else None, target["at_most"]),
        )
    return table


def _measured(kernel: Benchmark) -> float | None:
    found: float | None = kernel.extra_info["ratios"].get(kernel.extra_info["target"]["of"])
    return found


def _verdict(measured: float | None, at_most: float) -> str:
    if measured is None:
        return "not measured"
    if measured <= at_most * _TOLERANCE:
        return "[green]ok[/]"
    return f"[red]missed[/], {measured / at_most - 1:+.0%}"


def _grouped(
    kernels: Sequence[Benchmark],
) -> Iterator[tuple[tuple[str, str], dict[str, Benchmark]]]:
    """Benchmarks of one kernel and size, by the name of the back end."""
    groups: dict[tuple[str, str], dict[str, Benchmark]] = {}
    for kernel in kernels:
        groups.setdefault(_what(kernel), {})[_name(kernel)] = kernel
    yield from groups.items()


def _preferred(file: BenchmarkFile, kernels: Sequence[Benchmark]) -> Benchmark:
    """Any benchmark of the back end that users get on that machine, or else of the first."""
    chosen = file.machine_info.get("kernels", {})
    wanted = (chosen.get("backend"), chosen.get("isa"))
    of = [b for b in kernels if (b.extra_info["backend"], b.extra_info["isa"]) == wanted]
    return (of or list(kernels))[0]


def _name(kernel: Benchmark) -> str:
    isa = kernel.extra_info["isa"]
    return str(kernel.extra_info["backend"]) + (f" {isa}" if isa else "")


def _what(kernel: Benchmark) -> tuple[str, str]:
    return str(kernel.extra_info["kernel"]), str(kernel.extra_info["size"])


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _table(*headings: str, left: int) -> Table:
    """Table whose first columns hold words and the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, heading in enumerate(headings):
        words = number < left
        table.add_column(heading, justify="left" if words else "right", no_wrap=words)
    return table
