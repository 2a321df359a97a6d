"""What a run took is told of its timings, and never of its results."""

from __future__ import annotations

import json
from types import SimpleNamespace

import msgspec

from coinfer.report.took import settings_took, took_lines
from coinfer.store import StoredCell
from coinfer.suite import expand
from coinfer.suite.load import read_suite

METHODS = {"nonn": type("nonn", (msgspec.Struct,), {})}
SUITE = read_suite(
    """
schema = 1
name = "mine"
question = "?"
[axes]
method = ["nonn"]
cluster = ["mixed-4", "mixed-8"]
run_seed = [0, 1, 2]
""",
    "mine.toml",
)


def stored(cell):
    return StoredCell(schema=1, cell=cell, inputs_hash="h", status="done")


def test_planning_counts_once_and_running_by_the_median(tmp_path):
    cells = [stored(cell) for cell in expand(SUITE, METHODS)]
    took = {"mixed-4": [(5.0, 3.0), (1.0, 0.0), (9.0, 0.0)], "mixed-8": [(70.0, 66.0)]}
    lines = [
        {"cell": s.cell.key, "seconds": seconds, "prepared_s": prepared, "status": "done"}
        for name, times in took.items()
        for s, (seconds, prepared) in zip(
            [s for s in cells if s.cell.cluster_name == name], times, strict=False
        )
    ]
    lines[1].pop("prepared_s")  # as versions before wrote it
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "timings.jsonl").write_text(text + '{"cell": "half')
    run = SimpleNamespace(path=tmp_path)
    told = {one.at: one for one in settings_took(run, cells)}
    four, eight = told["nonn", "mixed-4"], told["nonn", "mixed-8"]
    assert (four.prepared_s, four.ran_s, four.cells) == (3.0, 2.0, 3)
    assert (eight.prepared_s, eight.ran_s, eight.cells) == (66.0, 4.0, 1)
    assert took_lines(run, cells) == [
        "1 min 9 s to plan and load, longest 1 min 6 s for nonn, mixed-8; 10 s to run, longest "
        "4 s a cell of nonn, mixed-8"
    ]


def test_without_timings_nothing_is_said(tmp_path):
    cells = [stored(cell) for cell in expand(SUITE, METHODS)]
    assert took_lines(SimpleNamespace(path=tmp_path), cells) == []
