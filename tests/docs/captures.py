"""The captures of the terminal on the pages, made from the reference run.

python tests/docs/captures.py

writes docs/report.svg and docs/compare.svg anew.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from coinfer.cli.compare_sides import compared
from coinfer.report import comparison_table, show_run
from coinfer.report.comparison import summary
from coinfer.stats import Rules
from coinfer.store import resolve_run

ROOT = Path(__file__).parents[2]
RUN = ROOT / "results" / "reference" / "quickstart"


def recording() -> Console:
    """Terminal of the usual width that remembers what it shows."""
    return Console(record=True, width=100, file=io.StringIO(), highlight=False, force_terminal=True)


def report() -> Console:
    """What a run of quickstart ends with."""
    console, run = recording(), resolve_run(RUN)
    show_run(console, run, run.contents())
    return console


def comparison() -> Console:
    """The methods of that run against one of them."""
    rows = compared([RUN], None, "nonn", ["latency_p50_ms"], Rules()).rows
    console = recording()
    console.print(comparison_table(rows))
    console.print(summary(rows), markup=False)
    return console


def svg(console: Console, title: str) -> str:
    """Picture of what was shown, without the font that it would load from elsewhere."""
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)


if __name__ == "__main__":
    title = "coinfer compare reference/quickstart --base nonn --metric latency_p50_ms"
    for name, text in (
        ("report.svg", svg(report(), "coinfer run quickstart")),
        ("compare.svg", svg(comparison(), title)),
    ):
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")
