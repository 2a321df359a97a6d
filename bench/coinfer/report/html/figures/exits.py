"""Which exits answered."""

from __future__ import annotations

from coinfer.report.html.figures.bars import part_table, stacked
from coinfer.report.html.material import Absent, Figure, Material, Setting
from coinfer.report.numbers import percent


def exits(material: Material) -> Figure | Absent:
    """Shares of all requests by exit, for settings with early exits."""
    title = "Exits used"
    counted = {s.number: exit_counts(s) for s in material.settings}
    settings = [s for s in material.settings if set(counted[s.number]) - {0}]
    if not settings:
        return Absent("exits", title, "no method of this run has early exits")
    requests = {s.number: sum(c.figures["requests"] for c in s.done) for s in settings}
    most = max(max(counted[s.number]) for s in settings)
    names = {number: f"exit {number}" for number in range(1, most + 1)}
    if any(0 in counted[s.number] for s in settings):
        names = {0: "no exit"} | names
    shares = {
        name: [counted[s.number].get(number, 0) / requests[s.number] for s in settings]
        for number, name in names.items()
    }
    traces, drawn = stacked(
        settings,
        {name: [100 * share for share in row] for name, row in shares.items()},
        "share of all requests",
        " %",
    )
    drawn["xaxis"]["range"] = [0, 100]
    return Figure(
        "exits",
        title,
        "Which exit the answer came from, as a share of all requests; what is missing to 100 % was "
        "not answered. Settings without early exits are left out.",
        traces,
        drawn,
        part_table(
            material,
            "Requests by exit, by setting",
            settings,
            {name: [percent(share) for share in row] for name, row in shares.items()},
        ),
    )


def exit_counts(setting: Setting) -> dict[int, int]:
    """Answered requests by exit, over all cells; 0 means that there is only one exit."""
    counts: dict[int, int] = {}
    for stored in setting.done:
        for number, count in (stored.figures.get("exit_counts") or {}).items():
            counts[int(number)] = counts.get(int(number), 0) + count
    return counts
