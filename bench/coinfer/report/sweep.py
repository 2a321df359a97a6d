"""A sweep in the terminal: what targets choose, what comes of it, and which promises hold."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from coinfer.report.numbers import amount
from coinfer.store import StoredSweep

_SHOWN: Final = ("loss ≤ 0.3", "harm ≤ 0.5 (ltt)")
"""Targets whose choices are shown; all are in the file."""

_NAMES: Final = ("method", "dataset", "cluster", "train_seed")


def show_sweep(console: Console, found: StoredSweep) -> None:
    """Print the tables of a sweep, network by network."""
    for network, exits in _by(found.exits, _NAMES).items():
        console.print()
        console.print(f"[bold]{', '.join(map(str, network))}[/]")
        console.print(_exits(exits))
        for shown in _SHOWN:
            console.print(_choices(_by(found.choices, _NAMES)[network], shown))
        rivals = _by(found.rivals, _NAMES).get(network, [])
        for equal, of_equal in _by(rivals, ["equal"]).items():
            console.print(_rivals(of_equal, str(equal[0])))
        promises = _by(found.promises, _NAMES).get(network)
        if promises:
            console.print(_promises(promises))
    console.print(
        "From remembered outputs of all exits: nothing here was run. MACs (heads counted) and "
        "latency are what the plan predicts; thresholds are set on the calibration split, realised "
        "is the test split, with the 95 % interval of the paired loss. Confirm points by cells: "
        "coinfer run.",
        style="dim",
    )


def target_name(target: Mapping[str, Any]) -> str:
    """Name a target as it is shown.

    Examples
    --------
    >>> target_name({"risk": {"epsilon_points": 0.5, "delta": 0.1, "control": "ltt"}})
    'harm ≤ 0.5 (ltt)'
    """
    if "risk" in target:
        return f"harm ≤ {target['risk']['epsilon_points']:g} ({target['risk']['control']})"
    (name,) = target
    return f"{'loss' if name == 'accuracy_loss_points' else name} ≤ {target[name]:g}"


def _by(
    rows: Sequence[dict[str, Any]], names: Sequence[str]
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=number == 0)
    return table


def _exits(rows: Sequence[dict[str, Any]]) -> Table:
    table = _table("exit", "accuracy %", "MACs", "alone", "temperature", "ECE %", "AUROC")
    for row in rows:
        table.add_row(
            str(row["exit"]),
            f"{100 * row['accuracy']:.2f}",
            amount(row["macs"]),
            amount(row["macs_alone"]),
            f"{row['temperature']:.2f}",
            f"{100 * row['ece_before']:.2f} → {100 * row['ece']:.2f}",
            "–" if row["auroc"] is None else f"{row['auroc_before']:.3f} → {row['auroc']:.3f}",
        )
    return table


def _choices(rows: Sequence[dict[str, Any]], shown: str) -> Table:
    table = _table(
        *("rule", "loss asked", "loss (95 % CI)", "harm", "MACs saved %", "time saved %"),
        "exits %",
    )
    table.title, table.title_justify = f"{shown} points", "left"
    for row in rows:
        if target_name(row["target"]) != shown:
            continue
        got = row["realised"]
        low, high = got["accuracy_loss_interval"]
        table.add_row(
            row["rule"] + (", budgeted" if row["scheme"] == "budgeted" else ""),
            f"{row['requested']['accuracy_loss_points']:.2f}",
            f"{got['accuracy_loss_points']:.2f} ({low:.2f} – {high:.2f})",
            f"{got['harm_points']:.2f}",
            f"{100 * got['macs_saved_fraction']:.1f}",
            f"{100 * got['latency_saved_fraction']:.1f}",
            "/".join(f"{100 * share:.0f}" for share in got["exits"]),
        )
    return table


def _rivals(rows: Sequence[dict[str, Any]], equal: str) -> Table:
    """A column a rival, a row a rule."""
    columns = _by(rows, ["rival"])
    headings = []
    for (name,), (first, *_) in columns.items():
        cost = amount(first["rival_macs"]) + " MACs"
        if equal == "latency":
            cost = f"{first['rival_latency_ms']:.1f} ms"
        headings.append(f"{name}\n{100 * first['rival_accuracy']:.2f} %\n{cost}")
    table = _table("rule", *headings)
    table.title, table.title_justify = f"points above a static rival at its {equal}", "left"
    for (rule, scheme), of_rule in _by(rows, ["rule", "scheme"]).items():
        table.add_row(
            f"{rule}{', budgeted' if scheme == 'budgeted' else ''}",
            *(_difference(row) for row in of_rule),
        )
    return table


def _difference(row: Mapping[str, Any]) -> str:
    if row["difference_points"] is None:
        return "–"
    low, high = row["difference_interval"]
    return f"{row['difference_points']:+.2f} ({low:.2f} – {high:.2f})"


def _promises(rows: Sequence[dict[str, Any]]) -> Table:
    table = _table("limit, points", "broken %, worst rule", "median rule", "on the test split")
    for target, of_target in _by(
        [{**r, "name": target_name(r["target"])} for r in rows], ["name"]
    ).items():
        worst = max(of_target, key=lambda row: row["broken_fraction"])
        middle = statistics.median(row["broken_fraction"] for row in of_target)
        on_test = statistics.median(row["broken_on_test_fraction"] for row in of_target)
        table.add_row(
            str(target[0]),
            f"{100 * worst['broken_fraction']:.1f} ({worst['rule']})",
            f"{100 * middle:.1f}",
            f"{100 * on_test:.1f}",
        )
    return table
