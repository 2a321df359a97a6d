"""What the report says of cells that were run twice."""

from __future__ import annotations

import msgspec

from coinfer.report.twice import twice_lines
from coinfer.store import StoredCell
from coinfer.suite import expand
from coinfer.suite.load import read_suite

METHODS = {name: type(name, (msgspec.Struct,), {}) for name in ("nonn", "rocoin")}
TEXT = """
schema = 1
name = "mine"
question = "?"
[defaults]
mode = "native"
[axes]
method = ["nonn", "rocoin"]
run_seed = [0, 1, 2, 3, 4, 5]
"""


def cells(noise=0.0, mode="native", twice=True):
    """rocoin takes 4 % longer; the second time of everything differs by `noise`."""
    made = []
    for cell in expand(read_suite(TEXT, "mine.toml"), METHODS, {"mode": [mode]}):
        p50 = 10.4 if cell.method.variant == "rocoin" else 10.0
        first = {"latency_p50_ms": p50, "latency_p95_ms": 20.0, "accuracy": 0.9}
        second = first | {"latency_p50_ms": p50 * (1 + noise)}
        again = second if twice else {}
        made.append(StoredCell(1, cell, "h", "done", figures=first, again=again))
    return made


def test_the_report_says_how_far_each_setting_is_from_itself():
    lines = twice_lines(cells(noise=0.08))
    assert [line.partition(":")[0] for line in lines] == ["nonn", "rocoin"]
    assert "p50 8.0 %, p95 0.0 %, accuracy 0.0 points (6 cells twice)" in lines[0]


def test_virtual_time_is_the_same_twice_or_is_at_fault():
    (same,) = twice_lines(cells(mode="virtual"))
    assert same.startswith("12 virtual cells were run twice, with the same figures")
    assert all("NOT the same twice" in line for line in twice_lines(cells(0.01, mode="virtual")))
    assert twice_lines(cells(twice=False)) == []
