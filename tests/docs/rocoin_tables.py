"""The tables of docs/rocoin.md, made from the runs in results/reference/.

python tests/docs/rocoin_tables.py

writes them into the page, between the marks; the page's test holds them against the runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from kept_runs import KEPT, ROOT, by_method, cells, half, interval, seeds
from marked_tables import renewed

from coinfer.report.plain import markdown_table as table
from coinfer.store import StoredCell

PAGE = ROOT / "docs" / "rocoin.md"
LOST = (0, 1, 2, 3, 4, 6)
PARTS_LOST = (1, 2, 3)
MARGIN_POINTS = 0.5


def lost(failed: int, kind: str = "mean") -> Callable[[StoredCell], float]:
    """Accuracy in percent with so many devices lost."""
    return lambda cell: 100 * cell.figures["accuracy_by_failures"][str(failed)][kind]


def without_failures(groups: dict[str, list[StoredCell]]) -> str:
    """The teacher against the students that are to replace it, seed by seed."""
    names = ["rocoin-large", "rocoin-large-any"]
    teacher = seeds(groups[names[0]], lambda cell: 100 * cell.figures["teacher_accuracy"])
    rows = [["teacher", *(f"{a:.2f}" for a in teacher), interval(teacher), "", ""]]
    for name in names:
        accuracy = seeds(groups[name], lost(0))
        gap = [t - a for t, a in zip(teacher, accuracy, strict=True)]
        upper = statistics.fmean(gap) + half(gap, 0.90)
        verdict = f"{upper:.2f} {'<' if upper < MARGIN_POINTS else '≥'} {MARGIN_POINTS}"
        shown = [f"{a:.2f}" for a in accuracy]
        rows.append([f"`{name}`", *shown, interval(accuracy), interval(gap), verdict])
    columns = [f"seed {seed}" for seed in range(len(teacher))]
    return table(
        ["", *columns, "mean ± CI", "points below the teacher", "one-sided 95 % bound"], rows
    )


def curves(groups: dict[str, list[StoredCell]]) -> str:
    """Accuracy against lost devices, at equal cost a device."""
    rows = []
    for name, group in groups.items():
        if "accuracy_by_failures" not in group[0].figures or name == "local-teacher":
            continue
        if name.startswith("rocoin-large"):
            continue
        figures = group[0].figures
        points = [interval(seeds(group, lost(failed))) for failed in LOST]
        cost = [f"{figures['total_macs'] / 1e6:.2f}", f"{figures['total_memory_bytes'] / 1e6:.2f}"]
        rows.append([f"`{name}`", str(len(group)), *points, *cost])
    head = ["method", "seeds", *(f"{failed} lost" for failed in LOST), "MMAC", "MB"]
    return table(head, rows)


def parts(groups: dict[str, list[StoredCell]]) -> str:
    """Points lost with whole partitions, for each way to stand in for them."""

    def right(group: Sequence[StoredCell], gone: int) -> list[float]:
        return seeds(
            group, lambda cell: 100 * cell.figures["accuracy_by_parts_lost"][str(gone)]["mean"]
        )

    rows = []
    for base in ("rocoin-large", "rocoin"):
        for fusion in ("", "-mean", "-dropout", "-any"):
            if base + fusion not in groups:
                continue
            group = groups[base + fusion]
            whole = right(group, 0)
            drops = [
                interval([a - b for a, b in zip(whole, right(group, gone), strict=True)])
                for gone in PARTS_LOST
            ]
            cost = [a - b for a, b in zip(right(groups[base], 0), whole, strict=True)]
            rows.append([f"`{base}{fusion}`", interval(whole), *drops, interval(cost)])
    return table(
        ["method", "none lost", *(f"drop at {n} of 4" for n in PARTS_LOST), "cost with none lost"],
        rows,
    )


def worst(groups: dict[str, list[StoredCell]]) -> str:
    """The worst choice of lost devices, and what is to be expected."""
    rows = []
    for name, group in groups.items():
        if "accuracy_by_failures" not in group[0].figures or name == "local-teacher":
            continue
        points = [interval(seeds(group, lost(failed, "worst"))) for failed in LOST[1:5]]
        expected = interval(seeds(group, lambda cell: 100 * cell.figures["expected_accuracy"]))
        full = statistics.fmean(cell.figures["availability_in_full"] for cell in group)
        rows.append([f"`{name}`", *points, expected, f"{100 * full:.1f}"])
    head = ["method", *(f"worst {failed} lost" for failed in LOST[1:5]), "expected", "in full %"]
    return table(head, rows)


def latency(found: Sequence[StoredCell], cluster: str) -> str:
    """Median latency in seconds by fault list, and as a multiple of rocoin's without faults."""
    here = [cell for cell in found if cell.cell.cluster_name == cluster]
    faults = list(dict.fromkeys(cell.cell.faults_name for cell in here))
    groups = by_method(here)

    def median(name: str, fault: str) -> float:
        chosen = [c for c in groups[name] if c.cell.faults_name == fault]
        return statistics.median(c.figures["latency_p50_ms"] for c in chosen) / 1e3

    base = median("rocoin", "none")
    rows = []
    for name in groups:
        ratio = f"{median(name, 'none') / base:.2f}"
        rows.append([f"`{name}`", *(f"{median(name, fault):.2f}" for fault in faults), ratio])
    return table(["p50, s", *faults, "none, × rocoin"], rows)


def by_cluster(
    found: Sequence[StoredCell], figure: Callable[[StoredCell], float], ratio: bool = False
) -> str:
    """A figure of every choice on every cluster of the sweep, or what it is times rocoin's."""
    here = {(cell.cell.method.variant, cell.cell.cluster_name): figure(cell) for cell in found}
    clusters = list(dict.fromkeys(cluster for _, cluster in here))
    rows = []
    for name in dict.fromkeys(name for name, _ in here):
        bases = [here["rocoin", cluster] if ratio else 1.0 for cluster in clusters]
        values = [here[name, cluster] / base for cluster, base in zip(clusters, bases, strict=True)]
        rows.append(
            [f"`{name}`", *(f"{value:.2f}" if ratio else f"{value:.1f}" for value in values)]
        )
    return table(["choice", *clusters], rows)


def half_lost(cell: StoredCell) -> float:
    """Accuracy in percent with every second device lost, mean over which."""
    return lost(len(cell.cell.cluster.devices) // 2)(cell)


def swept() -> list[StoredCell]:
    """Cells of the sweep that have no faults."""
    return [cell for cell in cells(KEPT / "rocoin-sweep") if cell.cell.faults_name == "none"]


def sweep_tables() -> dict[str, str]:
    """Tables of the sweep over what the paper leaves open."""
    found = swept()
    return {
        "sweep-latency": by_cluster(found, lambda cell: cell.figures["latency_p50_ms"], ratio=True),
        "sweep-full": by_cluster(found, lambda cell: 100 * cell.figures["availability_in_full"]),
        "sweep-half": by_cluster(found, half_lost),
    }


def kept_groups() -> dict[str, list[StoredCell]]:
    """Cells of the suite by method, with those of other runs in the same setting.

    Its largest students have two more seeds; students that lost portions in training are apart.
    """
    found = [*cells(KEPT / "rocoin"), *cells(KEPT / "rocoin-seeds-3-4")]
    known = {cell.cell.method.variant for cell in found}
    dropped = cells(KEPT / "rocoin-dropout")
    return by_method([*found, *(c for c in dropped if c.cell.method.variant not in known)])


def tables() -> dict[str, str]:
    """All tables of the page by name."""
    groups = kept_groups()
    timed = cells(KEPT / "rocoin-latency")
    return {
        "without-failures": without_failures(groups),
        "curves": curves(groups),
        "parts": parts(groups),
        "worst": worst(groups),
        "latency-uplink": latency(timed, "rocoin-8-uplink"),
        "latency": latency(timed, "rocoin-8"),
        **sweep_tables(),
    }


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
