"""What became of the faults of a run, one line a kind."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from coinfer.report.numbers import milliseconds
from coinfer.store import Contents


def fault_lines(contents: Contents) -> list[str]:
    """How many of each kind landed, and after how long they were noticed and over, on average."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for stored in contents.cells:
        for fault in stored.notes.get("faults", ()):
            kinds[fault["kind"]].append(fault)
    return [_line(kind, faults) for kind, faults in sorted(kinds.items())]


def _line(kind: str, faults: list[dict[str, Any]]) -> str:
    injected = sum(fault["injected_ns"] is not None for fault in faults)
    parts = [f"{sum(bool(fault['landed']) for fault in faults)} of {injected} landed"]
    for field, words in (("detected_ns", "noticed"), ("recovered_ns", "over")):
        times = [f[field] - f["injected_ns"] for f in faults if f.get(field) is not None]
        if times:
            mean = milliseconds(sum(times) / len(times) / 1e6, 0)
            parts.append(f"{len(times)} {words} after {mean} ms")
    return f"{kind}: {', '.join(parts)}"
