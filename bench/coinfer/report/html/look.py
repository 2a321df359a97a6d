"""How settings look in every figure: a colour and a symbol a method, a stroke a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

COLOURS: Final[tuple[tuple[str, str], ...]] = (
    ("#0352c5", "#85aee8"),
    ("#f7630e", "#f43b09"),
    ("#006b3c", "#278b60"),
    ("#683050", "#c4509b"),
    ("#493e03", "#f3e592"),
    ("#1b8db8", "#bcf2fc"),
    ("#332f73", "#7c68fc"),
    ("#898a8b", "#b1b4b7"),
)
"""Of methods, on light and on dark ground; a test holds them against colour blindness."""

STEPS: Final[tuple[tuple[str, str], ...]] = (
    ("#181d44", "#545ef2"),
    ("#286062", "#38b2b3"),
    ("#3f9a63", "#b8e7bf"),
    ("#b08a10", "#ebe21e"),
    ("#973d22", "#f88154"),
)
"""Of parts in a fixed order: exits, and the parts of the critical path."""

SYMBOLS: Final = (
    *("circle", "square", "diamond", "triangle-up"),
    *("cross", "star", "pentagon", "triangle-down"),
)
FILLS: Final = ("", "-open", "-dot", "-open-dot")
DASHES: Final = ("solid", "dash", "dot", "dashdot")
PATTERNS: Final = ("", "/", "", "x", "")


class Look(NamedTuple):
    """Which method and which condition is drawn how.

    Attributes
    ----------
    methods : dict of str to int
        Place of a method in `COLOURS` and `SYMBOLS`.
    conditions : dict of str to int
        Place of a condition in `FILLS` and `DASHES`; see `Setting.condition`.
    """

    methods: Mapping[str, int]
    conditions: Mapping[str, int]

    def colour(self, method: str) -> str:
        """Name of the colour in the style sheet, which knows the one for its ground."""
        return f"var(--m{self.methods[method] % len(COLOURS)})"

    def symbol(self, method: str, condition: str) -> str:
        """Another symbol, too, where colours repeat."""
        place = self.methods[method]
        shape = SYMBOLS[(place + place // len(COLOURS)) % len(SYMBOLS)]
        return shape + FILLS[self.conditions[condition] % len(FILLS)]

    def dash(self, condition: str) -> str:
        """Stroke of a line."""
        return DASHES[self.conditions[condition] % len(DASHES)]


def step(place: int) -> str:
    """Colour of the part with this number."""
    return f"var(--s{place % len(STEPS)})"


def palette(ground: int) -> dict[str, str]:
    """Colours by their names in the style sheet; `ground`: 0 is light, 1 dark."""
    named = {f"m{place}": pair[ground] for place, pair in enumerate(COLOURS)}
    return named | {f"s{place}": pair[ground] for place, pair in enumerate(STEPS)}


def layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    """Layout that all figures share; colours are names of the style sheet.

    Parameters
    ----------
    x, y : str
        Titles of the axes.
    **more
        ``xaxis`` and ``yaxis`` are laid over what is shared; all else is added.
    """
    axis = {
        "gridcolor": "var(--line)",
        "zerolinecolor": "var(--line)",
        "linecolor": "var(--faint)",
        "automargin": True,
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "var(--ink)"},
        "hoverlabel": {
            "bgcolor": "var(--card)",
            "bordercolor": "var(--faint)",
            "font": {"color": "var(--ink)"},
            "align": "left",
        },
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "legend": {
            **{"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
            # The filters of the page do that, for tables and figures alike.
            **{"itemclick": False, "itemdoubleclick": False},
        },
        **more,
        "xaxis": {"title": {"text": x}, **axis, **more.get("xaxis", {})},
        "yaxis": {"title": {"text": y}, **axis, **more.get("yaxis", {})},
    }


def rows(labels: Sequence[str]) -> dict[str, Any]:
    """Layout of an axis with a bar or a line of points for each label, the first on top."""
    return {"type": "category", "autorange": "reversed", "ticks": "", "tickfont": {"size": 12}} | (
        {"categoryorder": "array", "categoryarray": list(labels)}
    )


ROW_PX: Final = 36
"""Height of a line; the page takes it off for lines that a filter hides."""


def height(lines: int) -> int:
    """Height in pixels of a figure with so many lines."""
    return 130 + ROW_PX * lines
