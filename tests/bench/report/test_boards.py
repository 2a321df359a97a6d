"""Cells on boards stand beside their emulation; others say nothing of it."""

from __future__ import annotations

from types import SimpleNamespace

from coinfer.report.boards import board_lines
from coinfer.suite import AXES


def cell(method, real, emulation, deadline_ms=400.0):
    coordinates = dict.fromkeys(AXES, "x") | {"method": method}
    figures = dict(zip(("latency_p50_ms", "latency_p95_ms"), real, strict=True))
    if emulation is not None:
        figures["emulation"] = emulation
    return SimpleNamespace(
        figures=figures,
        notes={},
        cell=SimpleNamespace(coordinates=coordinates, deadline_ms=deadline_ms),
    )


def test_a_line_has_both_and_the_error_of_the_emulation():
    emulation = {
        "latency_p50_ms": 9.0,
        "latency_p95_ms": None,
        "error_p50": -0.1,
        "error_p95": None,
        "paired_p50": 0.1,
        "paired_p95": 0.25,
        "agreement": 0.975,
    }
    lines = board_lines([cell("nonn", (10.0, 30.0), emulation), cell("rocoin", (5.0, 6.0), None)])
    assert lines == [
        "nonn: p50 10 ms, emulated 9 ms (-10.0 %); "
        "p95 30 ms, emulated > 400 ms (without bound); "
        "request by request within 25.0 % (p95); 97.5 % same answers"
    ]
    assert board_lines([]) == []
