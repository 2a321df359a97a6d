"""Entries of the legend that say how conditions are drawn."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from coinfer.report.html.look import FILLS
from coinfer.report.html.material import Material


def condition_keys(material: Material, mode: str = "lines+markers") -> list[Any]:
    """One for each condition, where there are several, in no method's colour."""
    conditions = material.look.conditions
    return [
        go.Scatter(
            x=[None],
            y=[None],
            mode=mode,
            name=condition,
            line={"color": "var(--faint)", "width": 1.5, "dash": material.look.dash(condition)},
            marker={"symbol": "circle" + FILLS[place % len(FILLS)], "color": "var(--faint)"}
            | {"size": 10},
            legendrank=2000,
            meta={"settings": [s.number for s in material.settings if s.condition == condition]},
        )
        for condition, place in conditions.items()
        if len(conditions) > 1
    ]
