"""Workloads in closed form: queries of several, bounded queues, warm-up, batches, traces, M/D/1.

One MAC takes 1 us and one byte 1 us; a row of the input is 16 bytes, and every link 1 ms away.
"""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.cluster import Workload, arrivals_ns
from coinfer.contract import (
    INPUT,
    Answer,
    Batching,
    ModuleRef,
    Need,
    OnDemand,
    Replica,
    Stage,
    Start,
    Timer,
)

MS = 1_000_000
US = 1_000
ALONE = 2 * (16 * US + MS) + MS
STAGE = [Stage("s", ModuleRef("identity"), (Need(INPUT),), (4,), macs=1000)]
ON = [Replica("s", "d0")]


def answer(rule, arrived, ctx):
    return [Answer(arrived.rows, arrived.rows)] if arrived.stage == "s" else []


def latencies(outcome):
    return [r.answered_ns and r.answered_ns - r.intended_ns for r in outcome.records]


def test_a_query_begins_when_all_of_the_last_one_are_settled(world):
    outcome = world.run(STAGE, ON, answer, requests=7, workload={"query": 3})
    # Three arrive together and take turns of 1 ms.
    whole = ALONE + 2 * MS
    assert [r.intended_ns for r in outcome.records] == [0, 0, 0, *[whole] * 3, 2 * whole]
    assert latencies(outcome) == [ALONE + n % 3 * MS for n in range(7)]
    assert outcome.duration_ns == 2 * whole + ALONE


def test_a_query_waits_for_its_time_outs_as_well(world):
    outcome = world.run(
        STAGE, ON, answer, requests=4, workload={"query": 2}, deadline_ms=4, arrivals_ns=None
    )
    assert [r.status for r in outcome.records] == ["ok", "timeout"] * 2
    assert [r.intended_ns for r in outcome.records] == [0, 0, 4 * MS, 4 * MS]


def test_a_full_queue_rejects_the_new_or_drops_the_oldest(world):
    """Two places, an arrival each 0.1 ms, 3 ms a request and 1 ms more for each in line."""
    arrivals = [n * 100 * US for n in range(5)]
    limit = {"queue_limit": 2}
    rejected = world.run(
        STAGE, ON, answer, requests=5, arrivals_ns=arrivals, workload=limit
    ).records
    assert [r.status for r in rejected] == ["ok", "ok", "failed", "failed", "failed"]
    assert [r.messages for r in rejected] == [2, 2, 0, 0, 0]
    dropped = world.run(
        STAGE, ON, answer, requests=5, arrivals_ns=arrivals, workload=limit | {"drop_oldest": True}
    ).records
    assert [r.status for r in dropped] == ["failed", "failed", "failed", "ok", "ok"]
    # Inputs were on the way, and stops followed them; the first came when its stage had begun.
    assert [r.messages for r in dropped] == [3, 2, 2, 2, 2]
    assert [r.macs for r in dropped] == [1000, 0, 0, 1000, 1000]
    assert [r.answered_ns for r in dropped[3:]] == [ALONE + MS, ALONE + 2 * MS]


def test_there_is_room_again_when_a_request_is_settled(world):
    outcome = world.run(
        *(STAGE, ON, answer),
        requests=3,
        arrivals_ns=[0, 1, ALONE + 1],
        workload={"queue_limit": 1},
    )
    assert [r.status for r in outcome.records] == ["ok", "failed", "ok"]


def test_who_waits_for_its_batch_can_be_dropped_too(world):
    """The first leaves its batch; the other two make it full."""
    outcome = world.run(
        *(STAGE, ON, answer),
        requests=3,
        arrivals_ns=[0, MS, 2 * MS],
        workload={"queue_limit": 1, "drop_oldest": True},
        batching=Batching(rows=2, wait_ns=10 * MS),
    )
    assert [r.status for r in outcome.records] == ["failed", "failed", "ok"]
    assert [rule.job.rows for rule in world.rules] == [(2,)]
    assert outcome.records[2].messages == 2


def test_a_batch_that_everybody_has_left_is_not_sent(world):
    outcome = world.run(
        *(STAGE, ON, answer),
        requests=2,
        arrivals_ns=[0, 40 * MS],
        deadline_ms=5,
        batching=Batching(rows=2, wait_ns=20 * MS),
    )
    assert [r.status for r in outcome.records] == ["timeout", "timeout"]
    assert world.rules == []


def test_nothing_is_done_for_requests_that_are_over(world, kernel_costs):
    """Packing takes the source 5 ms, the deadline is 4 ms: one input is under way, one waits."""
    outcome = world.run(
        *(STAGE, ON, answer),
        requests=2,
        arrivals_ns=[0, MS // 2],
        deadline_ms=4,
        costs=kernel_costs(5000.0),
    )
    assert [r.status for r in outcome.records] == ["timeout", "timeout"]
    # The device of the first one is called off by 10 bytes; no input follows them.
    assert [(r.messages, r.bytes_down) for r in outcome.records] == [(1, 10), (0, 0)]
    assert outcome.busy_ns == {"source": 5 * MS, "d0": 0, "d1": 0, "d2": 0}


def test_a_step_that_waited_while_its_request_was_answered_is_left_out(world, kernel_costs):
    """The output is unpacked from 18.032 to 23.032 ms, the timer comes at 20 ms."""

    def arrival(rule, arrived, ctx):
        return answer(rule, arrived, ctx) or [Timer(15 * MS, "late")]

    outcome = world.run(
        STAGE,
        [*ON, Replica("s", "d1", OnDemand())],
        arrival,
        timer=lambda rule, token: [Start("s", "d1")],
        costs=kernel_costs(5000.0),
    )
    assert latencies(outcome) == [23_032 * US]
    assert outcome.records[0].messages == 2
    assert outcome.busy_ns["d1"] == 0


def test_the_first_requests_are_marked_as_warm_up(world):
    plain = world.run(STAGE, ON, answer, requests=4)
    marked = world.run(STAGE, ON, answer, requests=4, workload={"warm_up": 2})
    assert [r.warm_up for r in marked.records] == [True, True, False, False]
    assert latencies(marked) == latencies(plain)


def test_arrivals_of_a_trace_are_intended_arrivals(world):
    workload = Workload(kind="trace", trace=(0.0, 0.5, 0.5, 30.0))
    outcome = world.run(STAGE, ON, answer, requests=4, arrivals_ns=arrivals_ns(workload, seed=0))
    assert [r.intended_ns for r in outcome.records] == [0, MS // 2, MS // 2, 30 * MS]
    assert latencies(outcome) == [ALONE, ALONE + MS // 2, ALONE + 3 * MS // 2, ALONE]


@given(
    seed=st.integers(0, 10**6),
    limit=st.integers(1, 5),
    drop_oldest=st.booleans(),
    rows=st.integers(1, 3),
    deadline_ms=st.sampled_from([2, 4, 50]),
    query=st.sampled_from([None, 1, 4]),
)
@settings(max_examples=80, deadline=None)
def test_every_request_is_settled_whatever_the_bounds(
    make_world, seed, limit, drop_oldest, rows, deadline_ms, query
):
    poisson = Workload(kind="server", requests=25, rate_rps=1200)
    outcome = make_world().run(
        *(STAGE, ON, answer),
        requests=25,
        arrivals_ns=arrivals_ns(poisson, seed) if query is None else None,
        deadline_ms=deadline_ms,
        workload={"queue_limit": limit, "drop_oldest": drop_oldest, "query": query or 1},
        batching=Batching(rows=rows, wait_ns=MS),
    )
    assert len(outcome.records) == 25
    assert {r.status for r in outcome.records} <= {"ok", "timeout", "failed"}
    for r in outcome.records:
        assert (r.status == "ok") == (r.answered_ns is not None)


def lindley(arrivals, service_ns):
    """Waits in a queue with one server: each is what is left of the one before (Lindley 1952)."""
    waits, wait = [0], 0
    for before, after in itertools.pairwise(arrivals):
        wait = max(0, wait + service_ns - (after - before))
        waits.append(wait)
    return waits


@pytest.mark.slow
def test_poisson_arrivals_queue_as_an_md1_queue_predicts(world, toy_cluster):
    """One device, constant service: the mean wait is ρ s / (2 (1 − ρ)) (Pollaczek–Khinchine).

    The band is that of means of 100 batches of successive requests, which are nearly independent
    of each other: queues forget within some hundred requests at this load (batch means, as in Law,
    Simulation Modeling and Analysis, chapter 9).
    """
    service_ns, load, requests, batches = MS, 0.7, 50_000, 100
    workload = Workload(kind="server", requests=requests, rate_rps=load * 1e9 / service_ns)
    arrivals = arrivals_ns(workload, seed=3)
    outcome = world.run(
        *(STAGE, ON, answer),
        requests=requests,
        arrivals_ns=arrivals,
        on=toy_cluster(1, up_bps=8e15, down_bps=8e15, latency_ms=0),
        deadline_ms=10_000,
        kernels="native",
    )
    waits = [latency - service_ns for latency in latencies(outcome)]
    assert waits == lindley(arrivals, service_ns)
    assert waits == [r.queue_ns for r in outcome.records]
    size = requests // batches
    means = [statistics.fmean(waits[n : n + size]) for n in range(0, requests, size)]
    band = 2.626 * statistics.stdev(means) / math.sqrt(batches)  # Student's t, 99 %, 99 d. f.
    expected = load * service_ns / (2 * (1 - load))
    assert abs(statistics.fmean(means) - expected) <= band
    assert band < 0.06 * expected, "narrow enough to tell"
