"""The highest rate that holds the deadline: against thresholds, Lindley's recursion and M/D/1."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.integrate import quad
from scipy.optimize import brentq

from coinfer.cluster import Cluster, Device, Link, Workload, arrivals_ns
from coinfer.errors import UsageError
from coinfer.execute import check
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.execute.rate_search import highest_rate
from coinfer.methods import parameter_types
from coinfer.metrics import figures
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build

FAST = {"up_bps": 8e15, "down_bps": 8e15, "header_bytes": 0}
RUNNER = Runner(build, memo=True)


@pytest.fixture(scope="module")
def queue():
    """One device that serves in order, each request in the same time; all else takes none."""
    overrides = {"method": ["local-teacher"], "faults": ["none"], "run_seed": [3]}
    (cell,) = expand(load_suite("smoke"), parameter_types(), overrides)
    cluster = Cluster((Device("d", macs_per_s=1e8),), {"*": Link(**FAST)}, source_macs_per_s=1e18)
    return replace(cell, cluster=cluster)


def run(cell, **workload):
    cell = replace(cell, workload=Workload(**workload))
    return run_cell(cell, prepare(cell), RUNNER, lambda _: None)


def service_ns(cell):
    (record,) = run(cell, requests=1).outcome.records
    return record.answered_ns - record.intended_ns


@given(st.floats(1e-2, 1e3), st.floats(1e-3, 1e2), st.integers(10, 10_000), st.floats(1e-4, 0.5))
def test_it_comes_as_close_as_asked_to_any_threshold(limit_rps, deadline_s, requests, precision):
    found = highest_rate(
        lambda rate: 1.0 if rate <= limit_rps else 0.5, 0.99, deadline_s, requests, precision
    )
    assert len(found.tried) <= 60
    if found.rate_rps is not None:
        assert limit_rps / (1 + precision) <= found.rate_rps <= limit_rps
        assert found.problem is None
    else:
        none_holds = limit_rps < 1 / (1000 * deadline_s)
        all_hold = limit_rps > 60 * requests / deadline_s
        assert none_holds or all_hold
        assert ("no rate" if none_holds else "every rate") in found.problem


def in_time_by_recursion(arrivals, service, deadline):
    """Lindley's recursion; who has not begun by the deadline leaves."""
    left, last, hits = 0, 0, 0
    for at in arrivals:
        left = max(0, left - (at - last))
        last = at
        if left < deadline:
            hits += left + service <= deadline
            left += service
    return hits


def md1_share(rate, service, deadline):
    """Share in time of an M/D/1 queue that nobody joins who would not begin by the deadline.

    Below the deadline its workload is distributed as in M/D/1 [Erlang 1909], but for a constant;
    above it, at most a service further up, by crossings of each level.
    """

    def below(t):
        terms = (
            (rate * (i * service - t)) ** i / math.factorial(i) * math.exp(rate * (t - i * service))
            for i in range(math.floor(t / service) + 1)
        )
        return sum(terms)

    top = below(deadline)
    above = rate * quad(lambda u: top - below(u), deadline - service, deadline)[0]
    return below(deadline - service) / (top + above)


@pytest.mark.slow
def test_a_queue_is_found_to_hold_what_recursion_and_closed_form_say(queue):
    service, requests, share = service_ns(queue), 2000, 0.9
    deadline_ms = 5.5 * service / 1e6
    cell = replace(queue, deadline_ms=deadline_ms)
    ran = run(
        cell,
        kind="server",
        requests=requests,
        rate_rps="search",
        share_in_time=share,
        precision=1e-3,
    )
    tried = ran.notes["rate_search"]
    deadline = round(deadline_ms * 1e6)
    for one in tried:
        workload = Workload(kind="server", requests=requests, rate_rps=one["rate_rps"])
        arrivals = arrivals_ns(workload, queue.run_seed)
        hits = in_time_by_recursion(arrivals, service, deadline)
        assert one["share_in_time"] == hits / requests
    found = ran.figures["max_rate_rps"]
    holding = [one["rate_rps"] for one in tried if one["share_in_time"] >= share]
    failing = [one["rate_rps"] for one in tried if one["share_in_time"] < share]
    assert found == max(holding)
    assert found < min(failing) <= 1.001 * found
    expected = brentq(
        lambda rate: md1_share(rate, service / 1e9, deadline / 1e9) - share,
        *(0.1e9 / service, 0.999e9 / service),
    )
    assert found == pytest.approx(expected, rel=0.03)


def test_it_repeats_and_its_figures_are_those_of_a_run_at_the_rate_found(queue):
    cell = replace(queue, deadline_ms=3 * service_ns(queue) / 1e6)
    said = {"kind": "server", "requests": 200, "warm_up": 20}
    once, again = (run(cell, **said, rate_rps="search") for _ in range(2))
    assert once == again
    plain = run(cell, **said, rate_rps=once.figures["max_rate_rps"])
    assert once.outcome == plain.outcome
    cell = replace(cell, workload=Workload(**said, rate_rps="search"))
    got = figures(once.outcome, cell, once.figures)
    assert got["max_rate_rps"] == once.figures["max_rate_rps"]
    assert got["deadline_hit_rate"] >= 0.99


def test_no_rate_and_every_rate_are_said(queue):
    said = {"kind": "server", "requests": 20, "rate_rps": "search"}
    late = run(replace(queue, deadline_ms=0.5 * service_ns(queue) / 1e6), **said)
    assert late.figures == {"max_rate_rps": None}
    assert any("no rate down to" in w for w in late.outcome.warnings)
    early = run(replace(queue, deadline_ms=100 * service_ns(queue) / 1e6), **said)
    assert early.figures == {"max_rate_rps": None}
    assert any("every rate up to" in w for w in early.outcome.warnings)


@pytest.mark.parametrize("mode", ["realtime", "native"])
def test_where_time_is_real_it_is_refused_by_name(queue, mode):
    workload = Workload(kind="server", rate_rps="search")
    with pytest.raises(UsageError, match="rate_rps = 'search' is for virtual time"):
        check(replace(queue, workload=workload, mode=mode))
