"""What the kernels' back ends change."""

from __future__ import annotations

from coinfer.report.html.figures.bars import part_table, stacked
from coinfer.report.html.figures.path import part_ms
from coinfer.report.html.figures.tradeoffs import cost_text
from coinfer.report.html.material import Absent, Figure, Material


def kernels(material: Material) -> Figure | Absent:
    """Time in kernels on the critical path, where several back ends were run."""
    title = "Effect of the kernels"
    if "kernels" not in material.axes:
        return Absent("kernels", title, "all cells use the same back end of the kernels")
    settings = [s for s in material.settings if part_ms(s, "serialise") is not None]
    if not settings:
        return Absent("kernels", title, "no cell answered a request")
    # Back ends of one setting side by side.
    others = [axis for axis in material.axes if axis != "kernels"]
    order = {
        key: n
        for n, key in enumerate(dict.fromkeys(tuple(s.at[a] for a in others) for s in settings))
    }
    settings.sort(key=lambda s: order[tuple(s.at[a] for a in others)])
    sizes = {part: [part_ms(s, part) for s in settings] for part in ("serialise", "decide")}
    traces, drawn = stacked(settings, sizes, "mean time in kernels (ms)", " ms")
    texts = {
        f"{part} ms": ["-" if ms is None else f"{ms:.3g}" for ms in values]
        for part, values in sizes.items()
    }
    texts["median latency"] = [cost_text(s, "latency_p50_ms") for s in settings]
    return Figure(
        "kernels",
        title,
        "Time of the critical path that is spent in kernels: frames and decisions. The back ends "
        "of a setting stand side by side.",
        traces,
        drawn,
        part_table(material, "Time in kernels, by setting", settings, texts),
    )
