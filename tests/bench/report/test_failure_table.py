"""Accuracy against lost devices on a terminal: every row says what it is of, whatever varies."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from coinfer.report.failures import CURVE, failure_table
from coinfer.store import resolve_run


@pytest.fixture(scope="module")
def done():
    return resolve_run(Path("reference/rocoin-sweep")).contents().cells


def lines(cells, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(failure_table(cells))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def percent(cell, failed):
    return f"{100 * cell.figures[CURVE][str(failed)]['mean']:.1f}"


def test_methods_stand_below_the_cluster_that_they_ran_on(done):
    shown = lines(done)
    clusters = list(dict.fromkeys(cell.cell.cluster_name for cell in done))
    assert [line.strip() for line in shown if line.strip() in clusters] == clusters
    begin = shown.index(" uneven-8")
    rows = [line.split() for line in shown[begin + 1 : begin + 20]]
    of = {c.cell.method.variant: c for c in done if c.cell.cluster_name == "uneven-8"}
    assert [row[0] for row in rows] == list(of)
    for row in rows:
        cell = of[row[0]]
        assert row[1] == percent(cell, 0)
        assert percent(cell, 3) in row
    assert max(map(len, shown)) <= 100
    assert "…" not in "".join(shown)


def test_of_one_method_every_row_is_a_cluster(done):
    cells = [cell for cell in done if cell.cell.method.variant == "rocoin"]
    rows = [line.split() for line in lines(cells)[4:] if line.strip()]
    assert [row[0] for row in rows] == list(dict.fromkeys(c.cell.cluster_name for c in cells))
    assert rows[0][1] == percent(cells[0], 0)


def test_of_one_deployment_there_is_a_row_with_its_name(done):
    rows = [line.split() for line in lines(done[:1])[4:] if line.strip()]
    assert [row[0] for row in rows] == ["rocoin"]


def test_where_no_cell_tells_there_is_no_table():
    assert failure_table([]) is None
