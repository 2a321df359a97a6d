"""What cells that were run twice say about chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coinfer.metrics import METRICS
from coinfer.report.numbers import points
from coinfer.report.settings import gathered, varying_axes
from coinfer.stats.floor import floor_of_cells
from coinfer.store import StoredCell

_SHOWN: Final = {"p50": "latency_p50_ms", "p95": "latency_p95_ms", "accuracy": "accuracy"}


def twice_lines(done: Sequence[StoredCell]) -> list[str]:
    """One line for each setting: how far its figures were from themselves.

    Virtual time repeats to the last bit, so there a difference is a fault, and is called one.
    """
    twice = [stored for stored in done if stored.again]
    lines = []
    same = [s for s in twice if s.cell.mode == "virtual" and s.again == s.figures]
    if same:
        lines.append(f"{len(same)} virtual cells were run twice, with the same figures to the bit")
    for key, cells in gathered(twice, varying_axes(done)).items() if twice else ():
        left = [stored for stored in cells if stored not in same]
        if left:
            lines.append(f"{', '.join(map(str, key))}: {_told(left)}")
    return lines


def _told(cells: Sequence[StoredCell]) -> str:
    if any(stored.cell.mode == "virtual" for stored in cells):
        return "NOT the same twice in virtual time; something in it is drawn without a key"
    parts = []
    compared = [stored for stored in cells if "error" not in stored.again]
    for label, name in _SHOWN.items() if compared else ():
        metric = METRICS[name]
        floor = floor_of_cells(metric, compared)
        size = f"{points(floor)} points" if metric.scale == "share" else f"{100 * floor:.1f} %"
        parts.append(f"{label} {size.lstrip('+')}")
    failed = sum("error" in stored.again for stored in cells)
    told = f"differs from itself by up to {', '.join(parts)}" if parts else "no second figures"
    return f"{told} ({len(cells)} cells twice{f', {failed} failed' if failed else ''})"
