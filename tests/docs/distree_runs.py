"""Tables of docs/distree.md that come from runs: chosen points, links, load, stragglers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from kept_runs import by_method, interval, seeds

from coinfer.report.plain import markdown_table as table
from coinfer.store import RunFolder, StoredCell, find_runs

IN_TIME = 1.2
"""Requests are in time within so many times the p95 of plain exits without a fault."""

Kept = Sequence[tuple[RunFolder, StoredCell]]


def kept(folder: Path) -> dict[str, Kept]:
    """Finished cells by suite, with the run that holds them."""
    found: dict[str, list[tuple[RunFolder, StoredCell]]] = defaultdict(list)
    for run in find_runs(folder):
        found[run.info.suite.name] += [
            (run, cell) for cell in run.contents().cells if cell.status == "done"
        ]
    return found


def figure(name: str, factor: float = 1.0) -> Callable[[StoredCell], float]:
    """A figure of a cell, times a factor; what requests are lost to is infinite."""

    def of(cell: StoredCell) -> float:
        value = cell.figures[name]
        return math.inf if value is None else factor * value

    return of


def split(found: Kept, axis: str) -> dict[str, list[StoredCell]]:
    """Cells by cluster or fault list, in the order of the run."""
    groups: dict[str, list[StoredCell]] = defaultdict(list)
    for _, cell in found:
        groups[getattr(cell.cell, f"{axis}_name")].append(cell)
    return groups


def points(found: Kept) -> str:
    """Chosen points, run as cells."""
    rows = []
    for name, group in by_method(cell for _, cell in found).items():
        leaves = "exit_rule" in group[0].figures

        def told(what: str, factor: float = 1.0, digits: int = 1, group: list = group) -> str:
            return interval(seeds(group, figure(what, factor)), digits)

        rows.append(
            [
                f"`{name}`",
                told("accuracy", 100, 2),
                told("accuracy_loss_points", 1, 2) if leaves else "",
                told("macs_per_request", 1e-6, 2),
                told("macs_saved_fraction", 100) if leaves else "",
                *(told(f"latency_{which}_ms") for which in ("mean", "p50", "p95")),
                told("messages_per_request"),
            ]
        )
    head = ["method", "accuracy %", "loss", "MMAC", "saved %", "mean, ms", "p50", "p95"]
    return table([*head, "messages"], rows)


def links(found: Kept) -> str:
    """Mean latency by link and method."""
    clusters = split(found, "cluster")
    names = list(by_method(cell for _, cell in found))
    rows = []
    for cluster, group in clusters.items():
        of = by_method(group)
        shown = (interval(seeds(of[name], figure("latency_mean_ms")), 1) for name in names)
        rows.append([f"`{cluster}`", *shown])
    return table(["mean, ms", *(f"`{name}`" for name in names)], rows)


def load(found: Kept) -> str:
    """Mean and p95 by link and method, under load."""
    rows = []
    for cluster, group in split(found, "cluster").items():
        for name, of in by_method(group).items():
            shown = (
                interval(seeds(of, figure(what)), 1)
                for what in ("latency_mean_ms", "latency_p95_ms")
            )
            wasted = interval(seeds(of, figure("macs_wasted_per_request", 1e-6)), 2)
            rows.append([f"`{cluster}`", f"`{name}`", *shown, wasted])
    return table(["link", "method", "mean, ms", "p95, ms", "MMAC in vain"], rows)


def held(found: Kept, plain: str, axis: str, calm: str) -> str:
    """Share of requests that are in time and in full, where something on an axis slows them."""
    limits = {
        cell.cell.train_seed: IN_TIME * cell.figures["latency_p95_ms"]
        for cell in by_method(split(found, axis)[calm])[plain]
    }
    runs = {id(cell): run for run, cell in found}

    def in_time(cell: StoredCell) -> float:
        """Percent of all requests; what is late, in part or missing is not."""
        records = [r for r in runs[id(cell)].records(cell) if not r.warm_up]
        within = [
            r.status == "ok"
            and r.answered_ns is not None
            and r.answered_ns - r.intended_ns <= 1e6 * limits[cell.cell.train_seed]
            for r in records
        ]
        return 100 * float(np.mean(within))

    rows = []
    for where, group in split(found, axis).items():
        for name, of in by_method(group).items():
            shown = [
                interval(seeds(of, in_time), 1),
                interval(seeds(of, figure("latency_p95_ms")), 1),
                interval(seeds(of, figure("accuracy", 100)), 2),
            ]
            rows.append([f"`{where}`", f"`{name}`", *shown])
    return table([axis, "method", "in time and in full, %", "p95, ms", "accuracy, %"], rows)


MADE: dict[str, tuple[str, Callable[[Kept], str]]] = {
    "distree": ("cells", points),
    "distree-links": ("links", links),
    "distree-load": ("load", load),
    "distree-straggler": (
        "straggler",
        partial(held, plain="plain", axis="faults", calm="none"),
    ),
    "distree-bandwidth": (
        "bandwidth",
        partial(held, plain="plain", axis="cluster", calm="steady"),
    ),
}
"""Suites, and the table that is made of each."""


def run_tables(folder: Path) -> dict[str, str]:
    """Tables of the suites of which runs are kept."""
    found = kept(folder)
    return {name: make(found[suite]) for suite, (name, make) in MADE.items() if found.get(suite)}
