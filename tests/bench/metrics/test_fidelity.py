"""Verdicts on real-time runs, from outcomes made by hand."""

from __future__ import annotations

import msgspec
import pytest

from coinfer.metrics.fidelity import emulation_error, judge
from coinfer.runtime.record import Fidelity, Outcome, Record

MS = 1_000_000


def outcome(latencies_ms, **fidelity):
    records = tuple(
        Record(
            *(i, i, 0, 0, "timeout" if ms is None else "ok", 0, 0),
            *(None if ms is None else round(ms * MS), None),
            *[0] * 14,
        )
        for i, ms in enumerate(latencies_ms)
    )
    given = {"overrun_fraction": 0.0, "density": 0.1} | fidelity
    measured = Fidelity("", given["overrun_fraction"], None, None, given["density"])
    return Outcome(records, 1, {}, None, fidelity=measured)


VIRTUAL = outcome([100.0] * 100)


@pytest.mark.parametrize(
    ("slow_ms", "fidelity", "drift", "verdict"),
    [
        (101.9, {}, 0.0, "VALID"),
        (101.9, {}, None, "VALID"),
        (101.9, {}, 0.11, "MARGINAL"),
        (101.9, {"overrun_fraction": 0.06}, 0.0, "MARGINAL"),
        (101.9, {"overrun_fraction": 0.16}, 0.0, "UNTRUSTWORTHY"),
        (102.1, {}, 0.0, "MARGINAL"),
        (105.1, {}, 0.0, "UNTRUSTWORTHY"),
        (None, {}, 0.0, "UNTRUSTWORTHY"),
        (100.0, {"density": 1.01}, 0.0, "UNTRUSTWORTHY"),
    ],
)
def test_verdict_is_that_of_the_worst_bound(slow_ms, fidelity, drift, verdict):
    """Six of a hundred requests are slow, so the 95th percentile is one of them."""
    real = outcome([100.0] * 94 + [slow_ms] * 6, **fidelity)
    judged = judge(real, VIRTUAL, drift)
    assert judged.verdict == verdict
    assert judged.reference_drift == drift
    assert judged.paired_p50 == 0.0
    expected = None if slow_ms is None else pytest.approx(slow_ms / 100 - 1)
    assert judged.paired_p95 == expected


def test_four_slow_requests_of_a_hundred_do_not_spoil_a_run():
    assert judge(outcome([100.0] * 96 + [300.0] * 4), VIRTUAL).verdict == "VALID"


def test_nothing_answered_is_nothing_to_trust():
    nobody = outcome([None] * 5)
    judged = judge(nobody, nobody, 0.05)
    assert (judged.verdict, judged.reference_drift) == ("UNTRUSTWORTHY", 0.05)
    assert msgspec.to_builtins(judged)["paired_p95"] is None


def test_the_error_of_an_emulation_is_that_of_its_quantiles_and_of_its_requests():
    real = outcome([100, 200, 300, 400])
    emulated = outcome([90, 220, 300, 300])
    found = emulation_error(real, emulated)
    # Higher quantiles: the third of four at the median, the last at p95.
    assert found["latency_p50_ms"] == pytest.approx(300)
    assert found["error_p50"] == pytest.approx(0.0)
    assert found["error_p95"] == pytest.approx(300 / 400 - 1)
    assert found["paired_p50"] == pytest.approx(0.10)
    assert found["paired_p95"] == pytest.approx(0.25)
    assert found["agreement"] == 1.0


def test_an_emulation_that_answers_what_boards_did_not_is_off_without_bound():
    found = emulation_error(outcome([100, None]), outcome([100, 100]))
    assert found["paired_p95"] is None
    assert found["error_p95"] is None
    assert found["paired_p50"] is None
    assert emulation_error(outcome([None]), outcome([None]))["agreement"] == 1.0
