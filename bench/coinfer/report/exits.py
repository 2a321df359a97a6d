"""What early exits were asked for, and what came of it, one line a method."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from coinfer.report.settings import gathered, varying_axes
from coinfer.store import Contents


def exit_lines(contents: Contents) -> list[str]:
    """Requested and realised loss of every setting that can exit early, means over seeds."""
    cells = [s for s in contents.cells if s.status == "done" and "exit_rule" in s.figures]
    early = [s for s in cells if s.figures["exit_rule"] != "never"]
    if not early:
        return []
    lines = []
    for setting, group in gathered(early, varying_axes(early)).items():
        mean = {
            name: statistics.fmean(stored.figures[name] for stored in group)
            for name in ("accuracy_loss_points", "realised_risk", "macs_saved_fraction")
        }
        first = group[0].figures
        lines.append(
            f"{', '.join(map(str, setting))}: {first['exit_rule']}, asked for "
            f"{_asked(first['target'])}; lost {mean['accuracy_loss_points']:.2f} points "
            f"(harmed {100 * mean['realised_risk']:.2f} %) for "
            f"{100 * mean['macs_saved_fraction']:.1f} % of the MACs"
        )
    return lines


def _asked(target: Mapping[str, Any]) -> str:
    ((name, value),) = target.items()
    if name == "risk":
        delta = f" with δ = {value['delta']:g}" if value["control"] == "ltt" else " in the mean"
        return f"harm ≤ {value['epsilon_points']:g} points{delta}"
    words = {
        "accuracy_loss_points": "loss ≤ {:g} points",
        "mean_macs": "{:g} MACs",
        "mean_latency_ms": "{:g} ms",
        "threshold": "threshold {:g}",
    }
    return words[name].format(value)
