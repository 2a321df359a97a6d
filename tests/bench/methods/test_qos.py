"""The controller of thresholds against its bound, and with a straggler in virtual time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from coinfer.cluster import Fault, FaultList, Workload
from coinfer.errors import PlanError, UsageError
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.methods.distree import DistrEEParameters
from coinfer.methods.qos import Controller, QoS
from coinfer.runtime.runner import Runner
from coinfer.training.modules import build

CALIBRATED, OPEN = 0.25, 1.0


def controller(qos):
    """One exit whose threshold is the share that leaves there."""
    return Controller(qos, [(x,) for x in np.linspace(CALIBRATED, OPEN, 101)])


@given(
    needed=st.lists(st.floats(0, 1), min_size=1, max_size=400),
    share=st.floats(0.5, 0.99),
    step=st.floats(0.02, 1),
)
@settings(max_examples=100, deadline=None)
def test_no_sequence_of_loads_makes_more_late_than_the_bound(needed, share, step):
    """An opponent says before each request how far exits must be open; all open is enough."""
    control = controller(QoS(latency_ms=1, share=share, step=step))
    late = 0
    for threshold in needed:
        missed = control.thresholds[0] < threshold
        late += missed
        control.judged(late=bool(missed))
    assert late <= (1 - share) * len(needed) + (1 + step) / step + 1e-6


def test_nothing_opens_while_requests_are_in_time():
    control = controller(QoS(latency_ms=1))
    for _ in range(50):
        control.judged(late=False)
    assert control.thresholds[0] == CALIBRATED


def test_exits_shut_again_when_the_load_is_gone():
    control = controller(QoS(latency_ms=1, share=0.9, step=0.5))
    control.judged(late=True)
    assert control.opened == pytest.approx(0.45)
    control.judged(late=False, requests=9)  # nine in ten are wanted in time
    assert control.opened == pytest.approx(0)


def test_lateness_that_opening_cannot_help_is_not_stored_up():
    control = controller(QoS(latency_ms=1, share=0.5, step=0.5))
    for _ in range(1000):
        control.judged(late=True)
    assert control.thresholds[0] == OPEN
    control.judged(late=False, requests=3)
    assert control.thresholds[0] < OPEN


@pytest.mark.parametrize("wrong", [{"share": 1.0}, {"step": 0.0}, {"latency_ms": -1.0}])
def test_impossible_values_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(UsageError, match=name):
        QoS(**({"latency_ms": 1.0} | wrong))


def cell(smoke_cell, faults="none", **parameters):
    base = smoke_cell("distree-strict", faults="none")
    given = base.method.parameters | {"rule": "max-probability", "patience": 10.0} | parameters
    return replace(
        base,
        method=replace(base.method, parameters=given),
        faults=STRAGGLER if faults == "straggler" else base.faults,
        workload=Workload(requests=300),
    )


STRAGGLER = FaultList(
    events=(Fault(kind="straggle", target="d0", factor=4, at_ms=0, duration_ms=1e6),)
)
"""The slowest device of those that take part, and from the first request on."""


def in_time(records, limit_ns):
    kept = [r.status == "ok" and r.answered_ns - r.intended_ns <= limit_ns for r in records]
    return sum(kept) / len(kept)


@pytest.fixture(scope="module")
def run():
    runner = Runner(build, memo=True)
    return lambda asked: run_cell(asked, prepare(asked), runner, lambda _: None).outcome


def test_a_straggler_of_4_is_held_where_plain_exits_are_not(smoke_cell, run):
    """95 % in full within 1.2 times the p95 without a straggler, at a price in accuracy."""
    calm = run(cell(smoke_cell)).records
    p95_ns = sorted(r.answered_ns - r.intended_ns for r in calm)[284]  # of 300
    limit_ns = 1.2 * p95_ns
    qos = {"latency_ms": limit_ns / 1e6}
    plain = run(cell(smoke_cell, "straggler")).records
    held = run(cell(smoke_cell, "straggler", qos=qos)).records
    assert in_time(plain, limit_ns) < 0.95 <= in_time(held, limit_ns)

    def right(records):
        return sum(r.prediction == r.label for r in records)

    assert right(held) <= right(plain), "earlier answers are no better"


def test_what_one_run_learnt_is_forgotten_in_the_next(smoke_cell, run):
    asked = cell(smoke_cell, "straggler", qos={"latency_ms": 20.0})
    assert run(asked).trace_sha256 == run(asked).trace_sha256


def test_with_time_enough_nothing_is_changed(smoke_cell, run):
    plain, held = run(cell(smoke_cell)), run(cell(smoke_cell, qos={"latency_ms": 390.0}))
    assert [r.exit for r in held.records] == [r.exit for r in plain.records]


def test_a_rule_with_one_exit_has_nothing_to_open():
    with pytest.raises(PlanError, match="fixed"):
        DistrEEParameters(rule="fixed", qos=QoS(latency_ms=50))
