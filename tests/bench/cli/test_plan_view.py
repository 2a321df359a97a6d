"""What ``coinfer plan`` draws."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from coinfer.cli.plan_view import show_plan

NOTES = {
    "groups": [
        {
            "devices": ["d7", "d0"],
            "partition": 36,
            "runs": "wrn-10-1-s2",
            "predicted_ms": 20.0,
            "predicted_ms_by_device": {"d7": 20.0, "d0": 80.0},
            "outage": 0.0025,
        },
        {
            "devices": ["d3"],
            "partition": 28,
            "runs": "wrn-10-1-b8-s2",
            "predicted_ms": 40.0,
            "predicted_ms_by_device": {"d3": 40.0},
            "outage": 0.05,
        },
    ],
    "unused": {"tiny": "its 5000 bytes hold no student (the smallest: 90000)"},
    "binding": "min_groups = 4, but the outage bound 0.01 allows 2",
    "latency_ms_by_assignment": {"bottleneck": 41.0, "greedy": 55.0},
    "parameters": {"recipe": "auto", "outage_bound": 0.01, "note": "[odd]"},
    "predicted_latency_ms": 40.1,
}


def drawn(notes) -> list[str]:
    out = io.StringIO()
    show_plan(Console(file=out, width=100, highlight=False), "[bold]rocoin[/] on here", notes)
    return out.getvalue().splitlines()


def test_groups_devices_reasons_and_parameters_are_shown() -> None:
    lines = drawn(NOTES)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 100
    assert "rocoin on here" in lines[0]
    assert "40.1 ms without faults: 3 devices in 2 groups" in text
    assert "left out  tiny: its 5000 bytes hold no student" in text
    assert "binding   min_groups = 4, but the outage bound 0.01 allows 2" in text
    assert "bottleneck = 41, greedy = 55" in text
    assert "recipe = auto, outage_bound = 0.01, note = [odd]" in text
    (first,) = [line for line in lines if "d7" in line]
    for part in ("0", "36", "wrn-10-1-s2", "0.0025"):
        assert part in first.split()


def test_bars_are_as_long_as_the_times() -> None:
    bars = {
        name: line.count("█")
        for line in drawn(NOTES)
        for name in line.split()
        if name in {"d0", "d3", "d7"}
    }
    assert bars["d0"] == 4 * bars["d7"] == 2 * bars["d3"] > 0


@pytest.mark.parametrize("groups", [[{"devices": ["d0"], "runs": "wrn"}]])
def test_a_plan_without_times_is_shown_too(groups) -> None:
    text = "\n".join(drawn({"groups": groups, "parameters": {}, "predicted_latency_ms": 3.0}))
    assert "1 device in 1 group" in text
