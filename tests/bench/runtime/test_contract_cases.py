"""Every case that the contract must carry, as a small run in virtual time.

One MAC takes 1 us and one byte 1 us; a row of the input is 16 bytes, so its broadcast lands
1.016 ms after the request, and every message back takes its bytes + 1 ms.
"""

from __future__ import annotations

import numpy as np
import pytest

from coinfer.cluster import FaultEvent
from coinfer.contract import (
    INPUT,
    SOURCE,
    After,
    Answer,
    Batching,
    Evaluate,
    ModuleRef,
    Need,
    OnDemand,
    Permit,
    Replica,
    Slice,
    Stage,
    Start,
    Stop,
    Timer,
    permit,
)
from coinfer.errors import ContractError

MS = 1_000_000
US = 1_000
BROADCAST = 1016 * US
BACK = 1016 * US


def stage(*args, **more):
    name, function, *needs = args
    wanted = tuple(n if isinstance(n, Need) else Need(n) for n in needs)
    width = more.pop("width", 4)
    output = more.pop("output", (width,))
    return Stage(name, ModuleRef(function), wanted, output, **({"macs": 1000} | more))


def when(name, *, then=None):
    """Answer all rows when an output of `name` arrives."""

    def arrival(rule, arrived, ctx):
        if arrived.stage != name:
            return []
        return [Answer(arrived.rows, arrived.rows)] if then is None else then(rule, arrived)

    return arrival


def settled(outcome):
    """Parts of the critical path sum to the latency of every answered request."""
    for r in outcome.records:
        if r.answered_ns is not None:
            parts = r.compute_ns + r.serialise_ns + r.link_ns + r.queue_ns + r.decide_ns
            assert parts == r.answered_ns - r.intended_ns
            assert min(r.compute_ns, r.serialise_ns, r.link_ns, r.queue_ns, r.decide_ns) >= 0
    return outcome.records


def test_one_stage_takes_broadcast_compute_and_return(world):
    record = settled(world.run([stage("m", "double", INPUT)], [Replica("m", "d0")], when("m")))[0]
    assert record.answered_ns == BROADCAST + 1 * MS + BACK
    assert (record.compute_ns, record.link_ns) == (1 * MS, BROADCAST + BACK)
    assert (record.status, record.macs, record.macs_wasted) == ("ok", 1000, 0)
    assert (record.bytes_down, record.bytes_up, record.messages) == (16, 16, 2)
    assert record.frame_bytes == 2 * (64 + 16)
    np.testing.assert_array_equal(world.rules[0].got["m"], [[0, 2, 4, 6]])


def test_replicas_first_arrival_wins_and_a_dead_group_is_zero_filled(world):
    """Partition a has two replicas, b has one; d0 and d2 die."""
    stages = [stage("a", "first", INPUT, width=1), stage("b", "rest", INPUT, width=3)]
    replicas = [Replica("a", "d0"), Replica("a", "d1"), Replica("b", "d2")]

    def fuse(rule, late):
        parts = [rule.got.get(p, np.zeros((1, w), np.float32)) for p, w in (("a", 1), ("b", 3))]
        rule.vector = np.concatenate(parts, axis=1)
        return [Answer(rule.job.rows, rule.job.rows, degraded=late, present=len(rule.got) - 1)]

    def arrival(rule, arrived, ctx):
        if arrived.stage == INPUT:
            return [Timer(10 * MS, "late")]
        return fuse(rule, False) if {"a", "b"} <= rule.got.keys() else []

    faults = (FaultEvent("crash", "d0", None, 1), FaultEvent("crash", "d2", None, 1))
    records = settled(
        world.run(
            stages,
            replicas,
            arrival,
            requests=2,
            faults=faults,
            timer=lambda rule, token: fuse(rule, True),
        )
    )
    assert [r.status for r in records] == ["ok", "degraded"]
    assert [r.present for r in records] == [2, 1]
    assert records[0].macs == 3000
    assert records[0].macs_wasted == 1000, "the second replica of a is the price of redundancy"
    np.testing.assert_array_equal(world.rules[0].vector, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(world.rules[1].vector, [[4, 0, 0, 0]])
    assert records[1].answered_ns - records[1].intended_ns == 10 * MS


def exits(*, strict):
    gate = (Need(permit("exit2")),) if strict else ()
    return [
        stage("b1", "identity", INPUT, to_source=False),
        stage("e1", "first", Need("b1", same_device=True), width=1, macs=100),
        stage("b2", "double", Need("b1", same_device=True), *gate, to_source=False),
        stage("e2", "first", Need("b2", same_device=True), width=1, macs=100),
    ]


EXITS = [Replica(s, d) for d in ("d0", "d1") for s in ("b1", "e1", "b2", "e2")][:4]


def test_strict_exit_runs_the_next_block_only_when_permitted(world):
    def arrival(rule, arrived, ctx):
        row = rule.job.rows[0]
        if arrived.stage == "e1":
            return [Permit("exit2", (row,))] if row else [Answer((row,), (row,), exit=1)]
        return [Answer((row,), (row,), exit=2)] if arrived.stage == "e2" else []

    first, second = settled(world.run(exits(strict=True), EXITS, arrival, requests=2))
    assert (first.exit, first.macs) == (1, 1100)
    assert (second.exit, second.macs, second.macs_wasted) == (2, 2200, 0)
    assert (first.messages, second.messages) == (2, 4), "the permit is a message"
    assert (first.control_messages, second.control_messages) == (0, 1)
    round_trip = 1004 * US + second.bytes_down * US - 16 * US + 1 * MS
    latency = second.answered_ns - second.intended_ns
    assert latency == BROADCAST + 1100 * US + round_trip + 1100 * US + 1004 * US


def test_speculative_exit_goes_on_and_a_stop_acts_at_the_next_stage_start(world):
    def arrival(rule, arrived, ctx):
        row = rule.job.rows[0]
        if arrived.stage == "e1":
            return [] if row else [Answer((row,), (row,), exit=1), Stop((row,))]
        return [Answer((row,), (row,), exit=2)] if arrived.stage == "e2" else []

    first, second = settled(world.run(exits(strict=False), EXITS, arrival, requests=2))
    # e1 leaves at 1.1 ms; the stop is back after 2 ms + some bytes, while b2 has ended at 2.1 ms
    # and e2 at 2.2 ms: all of it was run, and wasted.
    assert (first.exit, first.macs, first.macs_wasted) == (1, 2200, 1100)
    assert (first.control_messages, second.control_messages) == (1, 0)
    assert (second.exit, second.macs, second.macs_wasted) == (2, 2200, 0)
    latency = second.answered_ns - second.intended_ns
    # The first request's second block is still under way when the second request comes.
    assert latency >= BROADCAST + 2200 * US + 1004 * US


def test_a_stop_in_time_saves_the_next_block(world):
    slow = exits(strict=False)
    slow.insert(
        2, stage("pad", "identity", Need("b1", same_device=True), to_source=False, macs=9000)
    )
    slow[3] = stage("b2", "double", Need("pad", same_device=True), to_source=False)
    replicas = [Replica(s.id, "d0") for s in slow]

    def arrival(rule, arrived, ctx):
        rows = rule.job.rows
        return [Answer(rows, rows, exit=1), Stop(rows)] if arrived.stage == "e1" else []

    record = settled(world.run(slow, replicas, arrival))[0]
    assert record.macs == 1100 + 9000, "what had begun runs to its end, the rest is dropped"


def test_layer_chain_over_devices(world):
    stages = [
        stage("l0", "double", INPUT, to_source=False),
        stage("l1", "double", "l0", to_source=False),
        stage("l2", "double", "l1"),
    ]
    replicas = [Replica(f"l{i}", f"d{i}") for i in range(3)]
    record = settled(world.run(stages, replicas, when("l2")))[0]
    np.testing.assert_array_equal(world.rules[0].got["l2"], [[0, 8, 16, 24]])
    hop = 2 * (16 * US + 1 * MS)
    assert record.answered_ns == BROADCAST + 3 * MS + 2 * hop + BACK
    assert (record.bytes_peer, record.bytes_up, record.messages) == (32, 16, 4)
    assert (record.macs, record.macs_wasted) == (3000, 0)


def test_spatial_split_with_halos_equals_the_whole(world):
    """Two smoothings of 4 values, cut in two; each half needs one value of the other first."""
    halves = [
        stage("x0", "identity", Need(INPUT, Slice(1, 0, 3)), to_source=False, width=3),
        stage("x1", "identity", Need(INPUT, Slice(1, 1, 4)), to_source=False, width=3),
        stage("y0", "join", Need("x0", same_device=True), Need("x1", Slice(1, 2, 3))),
        stage("y1", "join", Need("x0", Slice(1, 0, 1)), Need("x1", same_device=True)),
    ]
    replicas = [Replica(f"{s}{i}", f"d{i}") for s in "xy" for i in (0, 1)]

    def arrival(rule, arrived, ctx):
        done = {"y0", "y1"} <= rule.got.keys()
        return [Answer(rule.job.rows, rule.job.rows)] if done else []

    record = settled(world.run(halves, replicas, arrival))[0]
    for half in ("y0", "y1"):
        np.testing.assert_array_equal(world.rules[0].got[half], [[0, 1, 2, 3]])
    assert record.bytes_down == 2 * 12, "each device gets its stripe with the halo only"
    assert record.bytes_peer == 2 * 4, "only the halo travels between devices"


def test_a_late_halo_is_filled_with_zeros(world):
    stages = [
        stage("x0", "identity", INPUT, to_source=False, macs=1000),
        stage("x1", "identity", INPUT, to_source=False, macs=50_000),
        stage(
            "y0", "join", Need("x0", same_device=True), Need("x1", fill_after_ns=5 * MS), width=8
        ),
    ]
    replicas = [Replica("x0", "d0"), Replica("y0", "d0"), Replica("x1", "d1")]
    record = settled(world.run(stages, replicas, when("y0")))[0]
    np.testing.assert_array_equal(world.rules[0].got["y0"], [[0, 1, 2, 3, 0, 0, 0, 0]])
    assert record.answered_ns == BROADCAST + 5 * MS + 1 * MS + 1032 * US


def test_hedge_starts_after_a_time_out_only_where_it_is_needed(world):
    stages = [stage("m", "double", INPUT)]
    replicas = [Replica("m", "d0"), Replica("m", "d1", After(8 * MS))]
    fault = (FaultEvent("crash", "d0", None, 1),)
    first, second = settled(world.run(stages, replicas, when("m"), requests=2, faults=fault))
    assert (first.messages, first.macs) == (2, 1000), "answered in time: no hedge"
    assert second.status == "ok"
    order = (second.bytes_down - 2 * 16) * US
    assert order > 0, "the order to start is a message behind the input"
    latency = second.answered_ns - second.intended_ns
    assert latency == 8 * MS + BROADCAST + order + 1 * MS + BACK


def test_fallback_on_demand(world):
    stages = [stage("m", "double", INPUT)]
    replicas = [Replica("m", "d0"), Replica("m", "d1", OnDemand())]

    def peer(rule, device):
        return [Start("m", "d1")]

    fault = (FaultEvent("crash", "d0", None, 0),)
    record = settled(world.run(stages, replicas, when("m"), faults=fault, peer=peer))[0]
    assert record.status == "ok"
    detected = 300 * MS
    assert record.answered_ns >= detected + BROADCAST + 1 * MS + BACK


def test_parity_group_rebuilds_the_lost_answer_of_another_request(world):
    """ParM: a and b answer requests 0 and 1, p their sum; d1 is dead, so 1 = p - 0."""
    stages = [
        stage("a", "double", Need(INPUT, Slice(0, 0, 1))),
        stage("b", "double", Need(INPUT, Slice(0, 1, 2))),
        stage("p", "add-rows", INPUT, merges_rows=True),
    ]
    replicas = [Replica("a", "d0"), Replica("b", "d1"), Replica("p", "d2")]

    def arrival(rule, arrived, ctx):
        if arrived.stage == "a":
            return [Answer(arrived.rows, arrived.rows)]
        if arrived.stage == "p" and "a" in rule.got:
            rule.rebuilt = 2 * rule.got["p"] - rule.got["a"]
            return [Answer((1,), (1,), degraded=True)]
        return []

    fault = (FaultEvent("crash", "d1", None, 0),)
    records = settled(
        world.run(
            stages,
            replicas,
            arrival,
            requests=2,
            arrivals_ns=[0, 10 * MS],
            faults=fault,
            batching=Batching(rows=2, eager=True),
        )
    )
    assert [r.status for r in records] == ["ok", "degraded"]
    assert records[0].answered_ns == BROADCAST + 1 * MS + BACK, "nobody waited for the second"
    np.testing.assert_array_equal(world.rules[0].rebuilt, [[8, 10, 12, 14]])
    assert len(world.rules) == 1, "one job for the whole coding group"


def test_anytime_answer_is_revised_until_the_deadline(world):
    stages = [stage("fast", "first", INPUT, width=1), stage("slow", "double", INPUT, macs=20_000)]
    replicas = [Replica("fast", "d0"), Replica("slow", "d1")]

    def arrival(rule, arrived, ctx):
        if arrived.stage == "fast":
            return [Answer(rule.job.rows, (99,), final=False)]
        return [Answer(rule.job.rows, rule.job.rows)] if arrived.stage == "slow" else []

    final = settled(world.run(stages, replicas, arrival))[0]
    assert (final.status, final.prediction) == ("ok", 0)
    assert final.first_answer_ns < final.answered_ns
    cut = settled(world.run(stages, replicas, arrival, deadline_ms=10))[0]
    assert (cut.status, cut.prediction) == ("degraded", 99)
    assert cut.answered_ns == cut.first_answer_ns


def test_batching_at_the_source_and_rows_that_leave(world):
    """Three requests in one job; row 1 exits first, the others go on without it."""
    sizes = []

    def arrival(rule, arrived, ctx):
        if arrived.stage == "e1":
            rest = tuple(r for r in arrived.rows if r != 1)
            return [Answer((1,), (1,), exit=1), Stop((1,)), Permit("exit2", rest)]
        if arrived.stage == "e2":
            sizes.append(arrived.value.shape[0])
            return [Answer(arrived.rows, arrived.rows, exit=2)]
        return []

    records = settled(
        world.run(
            exits(strict=True),
            EXITS,
            arrival,
            requests=3,
            arrivals_ns=[0, 2 * MS, 4 * MS],
            batching=Batching(rows=3, wait_ns=50 * MS),
        )
    )
    assert [r.exit for r in records] == [2, 1, 2]
    assert [r.macs for r in records] == [2200, 1100, 2200], "the row that left is not computed"
    assert sizes == [2]
    np.testing.assert_array_equal(world.rules[0].got["e2"], [[0], [16]])
    assert records[0].queue_ns >= 4 * MS, "the first request waited for the batch"


def test_a_batch_closes_when_its_first_request_has_waited_enough(world):
    records = settled(
        world.run(
            [stage("m", "double", INPUT)],
            [Replica("m", "d0")],
            when("m"),
            batching=Batching(rows=8, wait_ns=3 * MS),
        )
    )
    assert records[0].answered_ns == 3 * MS + BROADCAST + 1 * MS + BACK


def test_the_head_runs_at_the_source(world):
    stages = [stage("m", "double", INPUT), stage("head", "first", width=1, macs=500)]
    replicas = [Replica("m", "d0"), Replica("head", SOURCE)]

    def arrival(rule, arrived, ctx):
        if arrived.stage == "m":
            return [Evaluate("head", arrived.rows, (arrived.value,))]
        return [Answer(arrived.rows, arrived.rows)] if arrived.stage == "head" else []

    record = settled(world.run(stages, replicas, arrival))[0]
    assert record.answered_ns == BROADCAST + 1 * MS + BACK + 500 * US
    assert (record.macs, record.macs_wasted) == (1500, 0)


def test_no_answer_is_a_timeout_and_the_next_request_still_comes(world):
    records = settled(
        world.run(
            [stage("m", "double", INPUT)],
            [Replica("m", "d0")],
            when("m"),
            requests=3,
            deadline_ms=20,
            faults=(FaultEvent("crash", "d0", None, 1),),
        )
    )
    assert [r.status for r in records] == ["ok", "timeout", "timeout"]
    assert [r.answered_ns is None for r in records] == [False, True, True]


def test_a_broken_deployment_is_named(world):
    with pytest.raises(ContractError, match="unknown stage 'nowhere'"):
        world.run([stage("m", "double", "nowhere")], [Replica("m", "d0")], when("m"))
    with pytest.raises(ContractError, match="unknown device 'd9'"):
        world.run([stage("m", "double", INPUT)], [Replica("m", "d9")], when("m"))
