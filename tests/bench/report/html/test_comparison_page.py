"""The page of a comparison: every row, where it stands, and changes as the rows have them."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from coinfer.metrics import METRICS
from coinfer.report.html import comparison_page
from coinfer.stats import Rules, Side, between_runs, within_run

NAMES = ("accuracy", "latency_p50_ms", "bytes_up_per_request")


@pytest.fixture(scope="module")
def rows(reference):
    metrics = [METRICS[name] for name in NAMES]
    return within_run(reference.contents().cells, metrics, Rules(), base="nonn")


@pytest.fixture(scope="module")
def text(reference, rows):
    return comparison_page(rows, [("quickstart", reference)])


@pytest.fixture(scope="module")
def data(text):
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found)


def test_every_row_stands_in_the_table_and_can_be_filtered_by_its_verdict(rows, text, data):
    body = text.partition('<section id="results"')[2].partition("</tbody>")[0]
    assert re.findall(r'<tr data-settings="(\d+)">', body) == [str(n) for n in range(len(rows))]
    assert [one["verdict"] for one in data["settings"]] == [row.verdict for row in rows]
    assert 'data-axis="verdict" data-value="slower"' in text
    assert "nonn</h1>" in text


def test_figures_show_the_change_and_the_interval_of_each_row(rows, data):
    shown = {}
    for name in ("amounts", "shares"):
        for trace in data["figures"][name]["traces"]:
            ends = (trace["x"], trace["error_x"]["arrayminus"], trace["error_x"]["array"])
            for n, x, below, above in zip(trace["meta"]["points"], *ends, strict=True):
                assert trace["name"] == rows[n].verdict
                shown[n] = x, x - below, x + above
    for n, row in enumerate(rows):
        if row.difference is not None:
            ends = [100 * end for end in (row.difference, row.difference_low, row.difference_high)]
        elif row.ratio is not None:
            ends = [100 * (end - 1) for end in (row.ratio, row.ci_low, row.ci_high)]
        else:
            assert n not in shown
            continue
        assert shown[n] == pytest.approx(tuple(ends), abs=1e-3)


def test_a_regression_is_flagged_between_runs_and_never_within_one(reference, rows, text):
    assert any(row.regression for row in rows)
    assert "regression</span>" not in text
    cells = reference.contents().cells
    half = len(cells) // 2
    slow = [
        msgspec.structs.replace(cell, figures={**cell.figures, "latency_p50_ms": 1e4})
        for cell in cells[half:]
    ]
    base, new = (
        Side(name, c, "m") for name, c in (("a", cells), ("b <i>", [*cells[:half], *slow]))
    )
    compared = between_runs(base, [new, base], [METRICS["latency_p50_ms"]], Rules())
    page = comparison_page(compared, [("a", reference), ("b <i>", reference)], ["one is corrupt"])
    assert "regression</span>" in page
    assert "b &lt;i&gt;, a against a" in page
    assert "b <i>" not in page.partition('<script type="application/json"')[0]
    assert "one is corrupt" in page


def test_machines_are_named_with_their_side(text, reference):
    section = text.partition('<section id="machines"')[2]
    assert f"quickstart: {reference.environment().identity['cpu']}" in section
