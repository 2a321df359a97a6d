"""Sentences and numbers as people read them."""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from coinfer.report import comparison_markdown, comparison_table
from coinfer.report.answer import answers
from coinfer.report.numbers import amount, milliseconds, percent, points, ratio
from coinfer.stats import Row
from coinfer.store import StoredCell
from coinfer.suite import Finding, expand
from coinfer.suite.load import read_suite

METHODS = {name: type(name, (msgspec.Struct,), {}) for name in ("nonn", "rocoin")}
SUITE = read_suite(
    """
schema = 1
name = "mine"
question = "?"
[axes]
method = ["nonn", "rocoin"]
run_seed = [0, 1, 2, 3, 4, 5]
""",
    "mine.toml",
)
ACCURACY = Finding(metric="accuracy", compare="rocoin", against="nonn")
COSTS = {
    "latency_p50_ms": 40.0,
    "macs_per_request": 1e6,
    "bytes_up_per_request": 100,
    "peak_memory_bytes": 5000,
}


def cells(nonn, rocoin, **axes):
    """Stored cells with these figures; a little is added by seed, to both alike."""
    made = []
    for cell in expand(SUITE, METHODS, axes):
        own = nonn if cell.method.variant == "nonn" else rocoin
        figures = {**COSTS, **own}
        figures["accuracy"] = figures.get("accuracy", 0.8) + cell.run_seed / 1000
        made.append(
            StoredCell(schema=1, cell=cell, inputs_hash="h", status="done", figures=figures)
        )
    return made


def test_a_better_method_is_said_to_be_with_its_cost():
    stored = cells({"accuracy": 0.7}, {"accuracy": 0.8, "macs_per_request": 3e6})
    (sentence,) = answers(ACCURACY, stored)
    assert sentence == (
        "rocoin gains 10.0 points of accuracy against nonn: 80.2 % against 70.2 %, 6 seeds. "
        "It costs 3.00× the MACs per request."
    )


def test_a_free_gain_is_said_to_be_free():
    (sentence,) = answers(ACCURACY, cells({"accuracy": 0.7}, {"accuracy": 0.8}))
    assert "It costs nothing in median latency, MACs per request" in sentence


def test_the_same_and_the_worse_are_said_too():
    (same,) = answers(ACCURACY, cells({}, {}))
    assert same.startswith("rocoin and nonn have the same accuracy: 80.2 % against 80.2 %")
    (worse,) = answers(ACCURACY, cells({"accuracy": 0.8}, {"accuracy": 0.7}))
    assert worse.startswith("rocoin loses 10.0 points of accuracy against nonn: 70.2 %")


def test_fewer_macs_and_faster_answers_have_their_own_words():
    stored = cells({}, {"macs_per_request": 0.5e6, "latency_p50_ms": 30.0, "accuracy": 0.79})
    macs = msgspec.structs.replace(ACCURACY, metric="macs_per_request")
    (sentence,) = answers(macs, stored)
    assert sentence.startswith(
        "rocoin has 0.50× the MACs per request against nonn: 500 k MACs against 1 M MACs, 6 seeds."
    )
    assert "It costs 1.0 points of accuracy." in sentence
    time = msgspec.structs.replace(ACCURACY, metric="latency_p50_ms")
    assert answers(time, stored)[0].startswith(
        "rocoin answers 1.33× faster than nonn: 30 ms against 40 ms, 6 seeds."
    )


def test_few_seeds_are_inconclusive_in_the_sentence():
    (sentence,) = answers(ACCURACY, cells({"accuracy": 0.7}, {"accuracy": 0.8}, run_seed=[0, 1]))
    assert sentence.startswith("No verdict of rocoin against nonn on accuracy (4 more repeats")
    assert ": 80.0 % against 70.0 %, 2 seeds; " in sentence
    assert "2 pairs are too few" in sentence


def test_each_setting_gets_its_sentence():
    stored = cells({"accuracy": 0.7}, {"accuracy": 0.8}, encoding=["raw", "int8"])
    said = answers(ACCURACY, stored)
    assert [s.partition(":")[0] for s in said] == ["encoding = raw", "encoding = int8"]


def test_what_was_not_measured_is_said():
    only = [s for s in cells({}, {}) if s.cell.method.variant == "nonn"]
    assert "rocoin has no such cells" in answers(ACCURACY, only)[0]
    assert "Nothing was measured" in answers(ACCURACY, [])[0]


@given(st.floats(1e-2, 1e12))
def test_amounts_keep_three_digits(value):
    text, _, prefix = amount(value).partition(" ")
    back = float(text) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[prefix]
    assert back == pytest.approx(value, rel=6e-3, abs=5e-3)
    assert len(text.replace(".", "").lstrip("0")) <= 4


def test_numbers_by_hand():
    assert amount(999.9) == "1 k"
    assert amount(0) == "0"
    assert amount(None) == "-"
    assert percent(None) == "-"
    assert points(0.0) == "+0.0"
    assert ratio(0.5) == "0.50×"
    assert milliseconds(None, 400.0) == "> 400"


@pytest.fixture
def row():
    return Row(
        metric="macs_wasted_per_request",
        where={"faults": "one-crash-with-a-long-name", "method": "distree-speculative"},
        base="a",
        new="b",
        verdict="inconclusive",
        regression=False,
        threshold=0.02,
        ratio=1.2345,
        ci_low=1.1,
        ci_high=1.4,
        base_mean=1e6,
        new_mean=1.2e6,
        reason="too [few] pairs",
    )


def test_wide_comparisons_fit_and_notes_are_numbered(row):
    other = msgspec.structs.replace(row, where={"faults": "none", "method": "nonn"})
    console = Console(file=io.StringIO(), width=100)
    console.print(comparison_table([row, other]))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("[1]") == 3
    assert "too [few] pairs" in text
    assert "| macs_wasted_per_request |" in comparison_markdown([row, other])


def test_a_terminal_table_is_of_one_metric_unless_the_order_mixes_them(row):
    accuracy = msgspec.structs.replace(
        row,
        metric="accuracy",
        **{"base_mean": 0.913, "new_mean": 0.79, "ratio": None, "ci_low": None, "ci_high": None},
        **{"difference": -0.123, "difference_low": -0.479, "difference_high": 0.012},
    )

    def told(*rows):
        console = Console(file=io.StringIO(), width=100)
        console.print(comparison_table(rows))
        return console.file.getvalue().splitlines()

    def headings(lines):
        return [line.split() for line in lines if line.split()[-1:] == ["verdict"]]

    apart = told(row, row, accuracy, accuracy)
    assert [first for first, *_ in map(str.split, filter(str.strip, apart))].count("accuracy") == 1
    assert [line[:2] for line in headings(apart)] == [["base", "→"]] * 2
    assert sum("points" in line.split() for line in apart) == 1
    assert sum("-12.3 (-47.9 to +1.2)" in line for line in apart) == 2
    mixed = told(row, accuracy, row)
    assert [line[0] for line in headings(mixed)] == ["metric"]
    assert "points" in " ".join(mixed)
