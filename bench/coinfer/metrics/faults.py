"""What became of the faults: how many landed, and how long it took to notice and to recover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coinfer.runtime.record import Outcome


def fault_figures(outcome: Outcome) -> dict[str, Any]:
    """Counts, and times in ms since the injection over the faults that have them; else None."""
    lines = outcome.faults
    return {
        "faults_injected": sum(line["injected_ns"] is not None for line in lines),
        "faults_landed": sum(bool(line["landed"]) for line in lines),
        **_spread("detection", _since(lines, "detected_ns")),
        **_spread("recovery", _since(lines, "recovered_ns")),
        "lost_messages": outcome.lost_messages,
        "corrupt_messages": outcome.corrupt_messages,
        "stale_messages": outcome.stale_messages,
        "foreign_messages": outcome.foreign_messages,
    }


def _since(lines: Sequence[dict[str, Any]], when: str) -> list[float]:
    return [
        (line[when] - line["injected_ns"]) / 1e6 for line in lines if line.get(when) is not None
    ]


def _spread(name: str, times_ms: Sequence[float]) -> dict[str, float | None]:
    return {
        f"{name}_mean_ms": sum(times_ms) / len(times_ms) if times_ms else None,
        f"{name}_max_ms": max(times_ms, default=None),
    }
