"""Where the time of an answer goes."""

from __future__ import annotations

import statistics

from coinfer.metrics.latency import PARTS
from coinfer.report.html.figures.bars import part_table, stacked
from coinfer.report.html.material import Absent, Figure, Material, Setting


def path(material: Material) -> Figure | Absent:
    """Parts of the critical path, a bar a setting."""
    title = "Where the time goes"
    settings = [s for s in material.settings if part_ms(s, PARTS[0]) is not None]
    if not settings:
        return Absent("path", title, "no cell answered a request")
    sizes = {part: [part_ms(s, part) for s in settings] for part in PARTS}
    traces, drawn = stacked(settings, sizes, "mean latency (ms)", " ms")
    texts = {
        f"{part} ms": ["-" if ms is None else f"{ms:.3g}" for ms in values]
        for part, values in sizes.items()
    }
    return Figure(
        "path",
        title,
        "Critical path of answered requests, mean over requests and seeds: computing, writing and "
        "reading frames, links, waiting for a device or a channel, deciding what to answer.",
        traces,
        drawn,
        part_table(material, "Critical path in ms, by setting", settings, texts),
    )


def part_ms(setting: Setting, part: str) -> float | None:
    """Mean over the cells that answered a request; None where none did."""
    found = [(s.figures.get("critical_path_ms") or {}).get(part) for s in setting.done]
    known = [ms for ms in found if ms is not None]
    return statistics.fmean(known) if known else None
