"""Verdicts: differences that were put in are found, those that were not are not."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from scipy import stats

from coinfer.metrics import METRICS
from coinfer.stats import Rules, Side, between_runs, within_run
from coinfer.store import StoredCell
from coinfer.suite import expand
from coinfer.suite.load import read_suite

METHODS = {name: type(name, (msgspec.Struct,), {}) for name in ("nonn", "rocoin", "distree")}
P50, ACCURACY = METRICS["latency_p50_ms"], METRICS["accuracy"]
SUITE = read_suite(
    """
schema = 1
name = "mine"
question = "?"
[defaults]
workload = { kind = "single-stream", requests = 200 }
[axes]
method = ["nonn", "rocoin"]
""",
    "mine.toml",
)


def run(figures, seeds=6, **axes):
    """Stored cells; `figures(cell)` gives their figures, or None where they failed."""
    overrides = {"run_seed": list(range(seeds)), **axes}
    made = []
    for cell in expand(SUITE, METHODS, overrides):
        found = figures(cell)
        made.append(
            StoredCell(
                schema=1,
                cell=cell,
                inputs_hash="h",
                status="failed" if found is None else "done",
                figures=found or {},
            )
        )
    return made


def by_method(base, factor, noise=0.01, seed=0):
    """Latency with a factor for rocoin and noise of its own for each cell."""
    rng = np.random.default_rng(seed)

    def figures(cell):
        way = factor if cell.method.variant == "rocoin" else 1
        return {"latency_p50_ms": base * way * math.exp(rng.normal(0, noise))}

    return figures


def against(old, new, metrics, same_machine=True):
    """Two runs called old and new."""
    machine = "here" if same_machine else "elsewhere"
    return between_runs(Side("old", old, "here"), [Side("new", new, machine)], metrics, Rules())


def one(rows):
    (row,) = rows
    return row


def test_a_method_that_is_faster_is_faster_by_the_right_ratio():
    row = one(within_run(run(by_method(50, 0.5)), [P50], Rules(), base="nonn"))
    assert (row.verdict, row.regression, row.pairs) == ("faster", False, 6)
    assert row.ratio == pytest.approx(0.5, rel=0.03)
    assert row.ci_low < row.ratio < row.ci_high
    assert row.p_value == pytest.approx(2 / 64)
    assert row.base == "nonn"
    assert row.new == "rocoin"
    assert "method" not in row.where
    assert "run_seed" not in row.where


def test_slower_is_a_regression():
    row = one(within_run(run(by_method(50, 1.3)), [P50], Rules(), base="nonn"))
    assert (row.verdict, row.regression) == ("slower", True)


def test_significant_but_small_is_the_same():
    row = one(within_run(run(by_method(50, 1.005, noise=0.0005)), [P50], Rules(), base="nonn"))
    assert row.p_value < 0.05
    assert row.verdict == "same"


def test_three_pairs_can_only_be_inconclusive_and_say_how_many_more():
    row = one(within_run(run(by_method(50, 0.5), seeds=3), [P50], Rules(), base="nonn"))
    assert row.verdict == "inconclusive"
    assert row.pairs_needed == 6
    assert "3 more" in row.reason
    assert row.pairs_lacking == 3


def test_what_no_seed_changes_is_exact_in_virtual_time_alone():
    def figures(cell):
        return {"latency_p50_ms": 50.0 * (1.2 if cell.method.variant == "rocoin" else 1)}

    row = one(within_run(run(figures, seeds=2), [P50], Rules(), base="nonn"))
    assert (row.verdict, row.exact, row.p_value) == ("slower", True, None)
    assert row.ratio == row.ci_low == row.ci_high == pytest.approx(1.2)
    row = one(within_run(run(figures, seeds=2, mode=["native"]), [P50], Rules(), base="nonn"))
    assert (row.verdict, row.exact) == ("inconclusive", False)
    # A single seed may be an accident.
    row = one(within_run(run(figures, seeds=1), [P50], Rules(), base="nonn"))
    assert (row.verdict, row.exact) == ("inconclusive", False)


def test_a_verdict_does_not_hang_on_what_else_was_asked():
    def figures(cell):
        way = 1.3 if cell.method.variant == "rocoin" else 1
        jitter = {"raw": 1.0, "fp16": 1.01}[cell.encoding]
        noise = 1 + cell.run_seed / 100 * (1 if cell.method.variant == "rocoin" else 2)
        return {"latency_p50_ms": 50 * way * jitter * noise, "accuracy": 0.9 + noise / 1e5}

    cells = run(figures, encoding=["raw", "fp16"])
    alone = within_run(cells, [P50], Rules(), base="nonn")
    both = within_run(cells, [P50, ACCURACY], Rules(), base="nonn")
    assert [r.verdict for r in alone] == ["slower"] * 2
    assert both[:2] == alone


def test_accuracy_is_told_in_points():
    def figures(cell):
        return {"accuracy": (0.9 if cell.method.variant == "rocoin" else 0.8) + cell.run_seed / 1e3}

    row = one(within_run(run(figures), [ACCURACY], Rules(), base="nonn"))
    assert row.verdict == "better"
    assert row.difference == pytest.approx(0.1)
    assert row.ratio == pytest.approx(row.new_mean / row.base_mean)


def test_unanswered_requests_make_a_side_slower_without_a_ratio():
    def figures(cell):
        return {"latency_p50_ms": None if cell.method.variant == "rocoin" else 50.0}

    row = one(within_run(run(figures), [P50], Rules(), base="nonn"))
    assert (row.verdict, row.ratio, row.new_mean) == ("slower", None, None)
    both = run(lambda cell: {"latency_p50_ms": None})
    row = one(within_run(both, [P50], Rules(), base="nonn"))
    assert (row.verdict, row.ratio) == ("inconclusive", None)
    assert {(r.verdict, r.ratio) for r in against(both, both, [P50])} == {("same", None)}


def test_repeats_in_virtual_time_are_not_new_evidence():
    real = run(by_method(50, 0.5), seeds=2, repeat=[0, 1, 2, 3, 4], mode=["native"])
    assert one(within_run(real, [P50], Rules(), base="nonn")).pairs == 10
    # As older versions ran them.
    cells = [
        msgspec.structs.replace(s, cell=msgspec.structs.replace(s.cell, mode="virtual"))
        for s in real
    ]
    assert one(within_run(cells, [P50], Rules(), base="nonn")).pairs == 2


def test_only_what_is_asked_for_is_compared():
    cells = run(by_method(50, 0.5), encoding=["raw", "int8"], method=["nonn", "rocoin", "distree"])
    assert len(within_run(cells, [P50], Rules(), base="nonn")) == 4
    where = {"encoding": "int8"}
    rows = within_run(cells, [P50], Rules(), base="nonn", against=["rocoin"], where=where)
    assert one(rows).where["encoding"] == "int8"
    by_encoding = within_run(cells, [P50], Rules(), base="raw", by="encoding")
    assert {row.where["method"] for row in by_encoding} == {"nonn", "rocoin", "distree"}


def test_a_false_alarm_in_a_table_without_differences_is_rare():
    """A/A with seeds that share a disturbance: the share of tables with any alarm is <= alpha."""
    tables, alarms = 150, 0
    rng = np.random.default_rng(7)
    methods = {"method": ["nonn", "rocoin"], "encoding": ["raw", "fp16", "int8"]}
    for _ in range(tables):
        shared = rng.normal(0, 0.2, 6)

        def figures(cell, shared=shared):
            return {"latency_p50_ms": 50 * math.exp(shared[cell.run_seed] + rng.normal(0, 0.05))}

        rows = within_run(run(figures, **methods), [P50], Rules(), base="nonn")
        alarms += any(row.verdict in ("faster", "slower") for row in rows)
    assert alarms <= stats.binom.ppf(0.999, tables, 0.05)


def test_what_a_cell_differs_from_itself_by_is_the_least_that_counts():
    """Ten percent between methods; the same cell run twice differs by 20 % one way or the other."""

    def twice(cells, factor):
        return [
            msgspec.structs.replace(
                stored,
                again={
                    "latency_p50_ms": stored.figures["latency_p50_ms"]
                    * factor ** (1 if stored.cell.repeat % 2 else -1)
                    * 1.05
                },
            )
            for stored in cells
        ]

    cells = run(by_method(50, 1.10, noise=0.001), seeds=1, repeat=list(range(8)), mode=["native"])
    assert one(within_run(cells, [P50], Rules(), base="nonn")).verdict == "slower"
    quiet = one(within_run(twice(cells, 1.001), [P50], Rules(), base="nonn"))
    assert (quiet.verdict, quiet.threshold) == ("slower", pytest.approx(0.051, abs=0.002))
    assert "a cell that is run twice differs by up to 5.1 %" in quiet.reason
    loud = one(within_run(twice(cells, 1.2), [P50], Rules(), base="nonn"))
    assert loud.threshold > 0.1
    assert loud.verdict != "slower"
    # A second time that failed, or that nobody asked for, is no evidence.
    failed = [msgspec.structs.replace(stored, again={"error": "died"}) for stored in cells]
    assert one(within_run(failed, [P50], Rules(), base="nonn")).threshold == 0.02


def test_between_runs_virtual_time_is_exact():
    old, new = run(by_method(50, 1)), run(by_method(50, 1))
    rows = against(old, new, [P50])
    assert [(r.verdict, r.exact, r.ratio, r.p_value) for r in rows] == [("same", True, 1, None)] * 2

    def slow(factor):
        return [
            msgspec.structs.replace(
                s, figures={"latency_p50_ms": s.figures["latency_p50_ms"] * factor}
            )
            for s in old
        ]

    row = against(old, slow(1.01), [P50])[0]
    assert (row.verdict, row.exact) == ("same", True)
    assert row.ratio == row.ci_low == row.ci_high == pytest.approx(1.01)
    row = against(old, slow(1.05), [P50])[0]
    assert (row.verdict, row.regression) == ("slower", True)


def test_measured_times_of_another_machine_are_not_comparable():
    cells = run(by_method(50, 1), mode=["native"])
    row = against(cells, cells, [P50], same_machine=False)[0]
    assert row.verdict == "not-comparable"
    assert "machine" in row.reason
    virtual = run(by_method(50, 1))
    assert against(virtual, virtual, [P50], same_machine=False)[0].verdict == "same"


def test_another_workload_under_the_same_name_is_not_comparable():
    cells = run(by_method(50, 1))
    other = msgspec.structs.replace(cells[0].cell.workload, requests=7)
    changed = [
        msgspec.structs.replace(s, cell=msgspec.structs.replace(s.cell, workload=other))
        for s in cells
    ]
    row = against(cells, changed, [P50])[0]
    assert row.verdict == "not-comparable"
    assert "workload" in row.reason


def test_what_the_new_run_lacks_is_missing_and_what_it_adds_is_not_asked():
    cells = run(by_method(50, 1))
    nonn = [s for s in cells if s.cell.method.variant == "nonn"]
    verdicts = [r.verdict for r in against(cells, nonn, [P50])]
    assert verdicts == ["same", "missing"]
    assert len(against(nonn, cells, [P50])) == 1
    failed = run(lambda cell: None)
    row = against(cells, failed, [P50])[0]
    assert (row.verdict, row.reason) == ("missing", "new failed")


def test_an_untrustworthy_emulation_gives_no_time_verdict():
    def figures(cell):
        bad = {"verdict": "UNTRUSTWORTHY"}
        return {"latency_p50_ms": 5.0, "accuracy": 0.5, "fidelity": bad}

    cells = run(figures, mode=["realtime"])
    time, accuracy = within_run(cells, [P50, ACCURACY], Rules(), base="nonn")
    assert time.verdict == "not-comparable"
    assert accuracy.verdict == "same"


def timed_on(cells, machine_of):
    """The same cells, timed on named machines."""
    return [
        msgspec.structs.replace(stored, notes={"machine": machine_of(stored.cell)})
        for stored in cells
    ]


def test_times_of_two_machines_are_in_no_statistic_together():
    cells = run(by_method(50, 0.5), mode=["native"])
    by_name = {
        "one": lambda cell: "a",
        "a machine a method": lambda cell: cell.method.variant,
        "a machine a seed": lambda cell: "ab"[cell.run_seed % 2],
    }
    verdicts = {
        name: one(within_run(timed_on(cells, named), [P50], Rules(), base="nonn"))
        for name, named in by_name.items()
    }
    assert verdicts.pop("one").verdict == "faster"
    for row in verdicts.values():
        assert row.verdict == "not-comparable"
        assert row.reason is not None
        assert row.reason.startswith("measured on different machines: ")
    for unnamed in against(cells, timed_on(cells, by_name["one"]), [P50]):
        assert unnamed.reason == "measured on different machines: a and another"


def test_other_boards_under_the_same_names_are_not_comparable():
    def on(model, system="Linux 6.6"):
        pi = {"machine": "aarch64", "model": model, "cores": 4, "system": system}
        other = {"machine": "x86_64", "model": "", "cores": 2, "system": "Linux 6.1"}
        return [
            msgspec.structs.replace(stored, notes={"boards": {"d0": pi, "d1": other}})
            for stored in run(lambda cell: {"latency_p50_ms": 50.0}, mode=["native"])
        ]

    for updated in against(on("Pi 4"), on("Pi 4", "Linux 6.12"), [P50]):
        assert updated.verdict == "same"
    for row in against(on("Pi 4"), on("Pi 5"), [P50]):
        assert row.verdict == "not-comparable"
        told = "d0 was Pi 4 with 4 cores, is Pi 5 with 4 cores"
        assert row.reason == f"measured on other boards: {told}"
