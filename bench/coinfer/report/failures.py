"""Accuracy against the number of failed devices, and what that costs: one row a deployment."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.markup import escape
from rich.table import Table

from coinfer.report.numbers import amount
from coinfer.store import StoredCell

CURVE: Final = "accuracy_by_failures"
_MOST_COLUMNS: Final = 6


def deployments(done: Sequence[StoredCell]) -> dict[tuple[str, ...], list[StoredCell]]:
    """Cells that tell of lost devices, by method, cluster, data set and encoding."""
    groups: dict[tuple[str, ...], list[StoredCell]] = defaultdict(list)
    for stored in done:
        if CURVE in stored.figures:
            cell = stored.cell
            key = (cell.method.variant, cell.cluster_name, cell.dataset, cell.encoding)
            groups[key].append(stored)
    return groups


def curve(cells: Sequence[StoredCell]) -> dict[int, tuple[float, float]]:
    """Accuracy by number of lost devices: mean and worst over subsets, averaged over cells."""
    failed = sorted({int(f) for stored in cells for f in stored.figures[CURVE]})
    found = {
        f: [s.figures[CURVE][str(f)] for s in cells if str(f) in s.figures[CURVE]] for f in failed
    }
    return {
        f: (
            statistics.fmean(point["mean"] for point in points),
            statistics.fmean(point["worst"] for point in points),
        )
        for f, points in found.items()
    }


def failure_table(done: Sequence[StoredCell]) -> Table | None:
    """Mean and worst accuracy over the subsets of failed devices; None where no cell tells.

    Cells that share method, cluster, data set and encoding are averaged: they differ in seeds,
    or in what the curve does not depend on.
    """
    groups = deployments(done)
    if not groups:
        return None
    most = max(len(s.figures[CURVE]) for cells in groups.values() for s in cells) - 1
    shown = range(min(most, _MOST_COLUMNS - 1) + 1)
    varying = [place for place in (1, 2, 3) if len({key[place] for key in groups}) > 1]
    methods = {key[0] for key in groups}
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("method" if len(methods) > 1 or not varying else "", no_wrap=True)
    for failed in shown:
        heading = f"{failed} lost\n%" if failed else "none\nlost %"
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("expected\n%", "\nMACs", "\nMB"):
        table.add_column(heading, justify="right", no_wrap=True)

    def add_row(label: str, cells: Sequence[StoredCell]) -> None:
        points = curve(cells)
        table.add_row(
            escape(label),
            *(_curve_text(points.get(failed)) for failed in shown),
            f"{100 * _mean(cells, 'expected_accuracy'):.1f}",
            amount(_mean(cells, "total_macs")),
            f"{_mean(cells, 'total_memory_bytes') / 1e6:.2f}",
        )

    # A column for what varies beside the method would leave no room for the curve.
    settings: dict[str, dict[str, list[StoredCell]]] = defaultdict(dict)
    for key, cells in groups.items():
        settings[", ".join(key[place] for place in varying)][key[0]] = cells
    for setting, by_method in settings.items():
        heads = bool(setting) and len(methods) > 1
        if heads:
            table.add_section()
            table.add_row(f"[bold]{escape(setting)}")
        for method, cells in by_method.items():
            add_row(method if heads or not setting else setting, cells)
    return table


ABOUT: Final = (
    "Accuracy by number of lost devices: mean over all subsets of the cluster (worst subset), on "
    "the test images; expected: devices fail independently with their failure_probability. MACs of "
    "a request and memory: of all replicas together."
)
"""What the table shows."""


def _curve_text(point: tuple[float, float] | None) -> str:
    if point is None:
        return ""
    mean, worst = point
    text = f"{100 * mean:.1f}"
    return text if abs(mean - worst) < 5e-4 else f"{text} ({100 * worst:.0f})"


def _mean(cells: Sequence[StoredCell], name: str) -> float:
    return statistics.fmean(stored.figures[name] for stored in cells)
