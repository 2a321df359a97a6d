"""The tables of docs/statistics.md, made from the simulation's data.

    python tests/perf/statistics/tables.py results/reference/statistics/simulation.json

prints them, to be put into the page; `tests/docs/test_statistics.py` sees that they are there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def percent(found: dict[str, Any], *, interval: bool = True) -> str:
    """Rate in percent, with its interval."""
    rate = 100 * found["hits"] / found["trials"]
    around = f" ({100 * found['low']:.1f}–{100 * found['high']:.1f})" if interval else ""
    return f"{rate:.1f}{around}"


def alarms(data: dict[str, Any]) -> Iterator[str]:
    """One row, nothing different."""
    names = ("with_threshold", "permutation_alone", "pooled")
    for row in data["false_alarms"]:
        yield f"| {row['repeats']} | {' | '.join(percent(row[name]) for name in names)} |"


def tables(data: dict[str, Any]) -> Iterator[str]:
    """Many rows, nothing different."""
    for row in data["tables"]:
        yield f"| {row['repeats']} | {percent(row['any_alarm'])} |"


def power(data: dict[str, Any]) -> Iterator[str]:
    """One row that is slower."""
    for row in data["power"]:
        found = " | ".join(percent(row[f"slower_{at}"], interval=False) for at in ("0.01", "0.02"))
        scatter = f"{100 * row['process_sigma']:.1f} % | {100 * row['effect_sigma']:.1f} %"
        yield f"| {scatter} | {row['repeats']} | {found} |"


def wrong_way(data: dict[str, Any]) -> tuple[int, int]:
    """How many comparisons called a slower side faster, and of how many."""
    wrong = sum(
        row[f"others_{at}"].get("faster", 0) for row in data["power"] for at in (0.01, 0.02)
    )
    return wrong, sum(2 * row["slower_0.02"]["trials"] for row in data["power"])


if __name__ == "__main__":
    read = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for table in (alarms, tables, power):
        print(*table(read), "", sep="\n")
