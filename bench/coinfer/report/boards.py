"""Cells on real boards beside what they were emulated to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coinfer.report.numbers import change, milliseconds
from coinfer.report.settings import varying_axes
from coinfer.store import StoredCell


def board_lines(cells: Sequence[StoredCell]) -> list[str]:
    """One line for each cell that ran on boards: real, emulated, and the error of the emulation."""
    axes = varying_axes(cells) if cells else []
    return [
        f"{', '.join(str(stored.cell.coordinates[axis]) for axis in axes)}: "
        f"{_told(stored.figures, stored.figures['emulation'], stored.cell.deadline_ms)}"
        for stored in cells
        if stored.figures.get("emulation") is not None
    ]


def _told(real: dict[str, Any], emulated: dict[str, Any], deadline_ms: float) -> str:
    parts = []
    for name in ("p50", "p95"):
        here = milliseconds(real[f"latency_{name}_ms"], deadline_ms)
        there = milliseconds(emulated[f"latency_{name}_ms"], deadline_ms)
        parts.append(f"{name} {here} ms, emulated {there} ms ({change(emulated[f'error_{name}'])})")
    paired = change(emulated["paired_p95"]).lstrip("+")
    same = f"{100 * emulated['agreement']:.1f} % same answers"
    return "; ".join([*parts, f"request by request within {paired} (p95)", same])
