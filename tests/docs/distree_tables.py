"""The tables of docs/distree.md, made from the sweeps in results/reference/distree.

python tests/docs/distree_tables.py

writes them into the page, between the marks; the page's test holds them against the sweeps.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from marked_tables import renewed

from coinfer.report.plain import markdown_table as table
from coinfer.report.sweep import target_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "distree.md"
SWEEP = ROOT / "results" / "reference" / "distree" / "wrn-10-1-seed-0"


def rule_of(row: dict[str, Any]) -> str:
    """Name of a rule with its way of sharing out thresholds."""
    return f"`{row['rule']}`" + (", budgeted" if row["scheme"] == "budgeted" else "")


def exits(found: dict[str, Any]) -> str:
    """What each exit is worth on the test split."""
    rows = [
        [
            str(row["exit"]),
            f"{100 * row['accuracy']:.2f}",
            f"{row['macs'] / 1e6:.2f}",
            f"{row['macs_alone'] / 1e6:.2f}",
            f"{100 * row['ece_before']:.2f} → {100 * row['ece']:.2f}",
            f"{row['auroc_before']:.3f} → {row['auroc']:.3f}",
        ]
        for row in found["exits"]
    ]
    head = ["exit", "accuracy %", "MMAC", "MMAC alone", "ECE %, scaled", "AUROC, scaled"]
    return table(head, rows)


def choices(found: dict[str, Any], target: str) -> str:
    """What a target chooses on the calibration split, and what comes of it on the test split."""
    rows = []
    for row in found["choices"]:
        if target_name(row["target"]) != target:
            continue
        got = row["realised"]
        low, high = got["accuracy_loss_interval"]
        rows.append(
            [
                rule_of(row),
                f"{row['requested']['accuracy_loss_points']:.2f}",
                f"{got['accuracy_loss_points']:.2f} ({low:.2f} to {high:.2f})",
                f"{got['harm_points']:.2f}",
                f"{100 * got['macs_saved_fraction']:.1f}",
                f"{100 * got['latency_saved_fraction']:.1f}",
                " / ".join(f"{100 * share:.0f}" for share in got["exits"]),
            ]
        )
    head = ["rule", "loss asked", "loss realised", "harm", "MACs saved %", "time saved %"]
    return table([*head, "at exits %"], rows)


def ends(fronts: Sequence[dict[str, Any]]) -> str:
    """What no rule can beat: the oracle; and what any has to: a fixed exit."""
    rows = []
    for row in fronts:
        if row["split"] == "test" and (row["rule"] == "oracle" or row["rule"] == "fixed"):
            leaves = max(range(len(row["exits"])), key=lambda b: row["exits"][b]) + 1
            name = f"`fixed` at exit {leaves}" if row["rule"] == "fixed" else "`oracle`"
            rows.append(
                [
                    name,
                    f"{100 * row['accuracy']:.2f}",
                    f"{row['accuracy_loss_points']:.2f}",
                    f"{100 * row['macs_saved_fraction']:.1f}",
                ]
            )
    return table(["", "accuracy %", "loss", "MACs saved %"], rows)


def promises(found: dict[str, Any]) -> str:
    """How often limits are broken over resampled splits, over all rules."""
    rows = []
    for target in dict.fromkeys(target_name(row["target"]) for row in found["promises"]):
        of_target = [row for row in found["promises"] if target_name(row["target"]) == target]
        told = [f"`{target}`"]
        for field in ("broken_fraction", "broken_on_test_fraction"):
            shares = [100 * row[field] for row in of_target]
            told += [f"{statistics.median(shares):.1f}", f"{max(shares):.1f}"]
        saved = [
            100 * row["macs_saved_fraction"]
            for row in of_target
            if (row["rule"], row["scheme"]) == ("max-probability", "budgeted")
        ]
        rows.append([*told, f"{saved[0]:.1f}"])
    head = ["limit, points", "median rule %", "worst %", "on the test split, median %", "worst %"]
    return table([*head, "`max-probability`, budgeted, saves %"], rows)


def tables() -> dict[str, str]:
    """All tables of the page by name."""
    found = json.loads((SWEEP / "sweep.json").read_text(encoding="utf-8"))
    fronts = pq.read_table(SWEEP / "fronts.parquet").to_pylist()
    return {
        "exits": exits(found),
        "plain": choices(found, "loss ≤ 0.3"),
        "guarded": choices(found, "harm ≤ 0.5 (ltt)"),
        "ends": ends(fronts),
        "promises": promises(found),
    }


def page(text: str) -> str:
    """The page with its tables made anew."""
    return renewed(text, tables())


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
