"""A suite over many runs: steps, and what small steps add up to."""

from __future__ import annotations

import msgspec
import pytest

from coinfer.metrics import METRICS
from coinfer.report.history import history_latex, history_markdown, history_table
from coinfer.stats import Rules, Side, history
from coinfer.store import StoredCell
from coinfer.suite import expand
from coinfer.suite.load import read_suite

SUITE = read_suite(
    'schema = 1\nname = "mine"\nquestion = "?"\n[axes]\nmethod = ["nonn", "rocoin"]', "mine.toml"
)
METHODS = {name: type(name, (msgspec.Struct,), {}) for name in ("nonn", "rocoin")}
P50 = METRICS["latency_p50_ms"]


def run(label, factor=1.0, methods=("nonn", "rocoin")):
    cells = []
    for cell in expand(SUITE, METHODS, {"method": list(methods), "run_seed": [0, 1]}):
        way = factor if cell.method.variant == "rocoin" else 1
        figures = {"latency_p50_ms": 50 * way * (1 + cell.run_seed / 10)}
        cells.append(StoredCell(2, cell, "h", "done", figures=figures))
    return Side(label, cells, "here")


def test_small_steps_that_add_up_are_found_by_the_last_against_the_first():
    runs = [run(f"r{number}", 1.015**number) for number in range(5)]
    nonn, rocoin = history(runs, [P50], Rules())
    assert [step.verdict for step in rocoin.steps] == ["same"] * 4
    assert rocoin.overall.verdict == "slower"
    assert rocoin.overall.ratio == pytest.approx(1.015**4)
    assert rocoin.means == pytest.approx([52.5 * 1.015**number for number in range(5)])
    assert nonn.overall.verdict == "same"
    assert nonn.runs == ("r0", "r1", "r2", "r3", "r4")


def test_a_jump_is_told_where_it_was_and_a_gap_is_a_gap():
    runs = [run("a"), run("b", 1.2), run("c", methods=["nonn"]), run("d", 1.2)]
    _, rocoin = history(runs, [P50], Rules())
    assert [step and step.verdict for step in rocoin.steps] == ["slower", "missing", None]
    assert rocoin.means[2] is None
    text = history_markdown([rocoin])
    assert "slower in 2, missing in 3" in text
    assert "1  a\n2  b\n" in text
    assert "1.20" in text
    assert r"\bottomrule" in history_latex([rocoin])
    assert history_table([rocoin]).renderables


def test_two_runs_have_one_step_which_is_all_there_is():
    _, rocoin = history([run("a"), run("b", 0.9)], [P50], Rules())
    assert rocoin.steps == (rocoin.overall,)
    assert rocoin.overall.verdict == "faster"
