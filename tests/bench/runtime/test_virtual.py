"""The virtual driver: deterministic, true to the link model, and sensitive to the kernels."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.cluster import FaultEvent
from coinfer.cluster.cost_table import CostTable, KernelCost, StageCost, load_cost_table, stage_key
from coinfer.cluster.draws import uniform
from coinfer.contract import INPUT, Answer, ModuleRef, Need, Replica, Stage
from coinfer_kernels import backend

MS = 1_000_000


def student(name, macs=1000):
    return Stage(name, ModuleRef("double"), (Need(INPUT),), (4,), macs=macs)


def all_of(*names):
    """Answer when every one of these stages has arrived."""

    def arrival(rule, arrived, ctx):
        if arrived.stage != INPUT:
            ctx.kernels.exit_scores(arrived.value)
        done = set(names) <= rule.got.keys()
        return [Answer(rule.job.rows, rule.job.rows)] if done else []

    return arrival


def latency(record):
    return record.answered_ns - record.intended_ns


@given(
    macs=st.lists(st.integers(1, 10_000), min_size=1, max_size=4),
    latency_us=st.integers(0, 20_000),
    header_bytes=st.integers(0, 200),
)
@settings(max_examples=60, deadline=None)
def test_a_broadcast_and_the_slowest_of_n_devices_in_closed_form(
    make_world, toy_cluster, macs, latency_us, header_bytes
):
    stages = [student(f"s{i}", macs=m) for i, m in enumerate(macs)]
    replicas = [Replica(f"s{i}", f"d{i}") for i in range(len(macs))]
    on = toy_cluster(len(macs), latency_ms=latency_us / 1e3, header_bytes=header_bytes)
    names = [s.id for s in stages]
    record = make_world().run(stages, replicas, all_of(*names), on=on).records[0]
    hop_us = 16 + header_bytes + latency_us
    assert latency(record) == 1000 * (2 * hop_us + max(macs))
    assert record.macs == sum(macs)
    assert record.messages == 2 * len(macs)


def test_a_stage_takes_what_was_measured_on_devices_that_say_so(world, toy_cluster):
    stage = student("s0", macs=1000)
    free = dict.fromkeys(("encode:raw", "decode:raw", "exit_scores"), KernelCost(0.0, 0.0))
    stages = {stage_key(stage): StageCost("double", 1000, 2600.0)}
    table = CostTable("test", "test", "never", "none", {"reference": free}, stages=stages)
    devices = toy_cluster(2, latency_ms=0).devices
    took = {}
    for costs in ("macs", "measured"):
        on = msgspec.structs.replace(
            toy_cluster(2, latency_ms=0),
            devices=tuple(msgspec.structs.replace(d, stage_costs=costs) for d in devices),
        )
        (record,) = world.run(
            [stage], [Replica("s0", "d1")], all_of("s0"), on=on, costs=table
        ).records
        took[costs] = latency(record)
        assert record.macs == 1000, "what was run is counted, not what it cost"
    assert took["macs"] == 1000 * (16 + 1000 + 16)
    assert took["measured"] == 1000 * (16 + 2600 + 16)


def test_a_shared_medium_queues_what_own_channels_send_at_once(world, toy_cluster):
    stages = [student(f"s{i}") for i in range(3)]
    replicas = [Replica(f"s{i}", f"d{i}") for i in range(3)]
    own = world.run(stages, replicas, all_of("s0", "s1", "s2")).records[0]
    shared = world.run(
        stages,
        replicas,
        all_of("s0", "s1", "s2"),
        on=msgspec.structs.replace(toy_cluster(3), medium="shared"),
    ).records[0]
    # 16 us a message and 1 ms of latency each way. On one medium the third input has waited 32 us,
    # and its device finishes last, when the medium is free again.
    assert latency(own) == 2 * (16_000 + MS) + MS
    assert latency(shared) == latency(own) + 32_000
    assert shared.queue_ns == 32_000


def test_the_trace_depends_on_the_seed_alone(world, toy_cluster):
    stages = [student("s0"), student("s1", macs=3000)]
    replicas = [Replica("s0", "d0"), Replica("s1", "d1")]

    def trace(seed, count=2):
        on = toy_cluster(count, jitter_ms=1)
        run = world.run(stages, replicas, all_of("s0", "s1"), requests=20, on=on, seed=seed)
        return run.trace_sha256

    assert trace(0) == trace(0)
    assert trace(0) != trace(1)
    assert trace(0) == trace(0, count=5), "a device that is never used changes nobody's luck"


def test_a_result_changes_with_the_kernels(world, toy_cluster):
    """The same scenario with the reference kernels is slower by what the cost table says."""
    costs = load_cost_table()
    stages, replicas = [student("s0")], [Replica("s0", "d0")]
    records = {
        name: world.run(
            stages, replicas, all_of("s0"), costs=costs, kernels=name, deadline_ms=60_000
        ).records[0]
        for name in backend.available()
    }
    assert latency(records["reference"]) > latency(records["native"])
    assert records["reference"].serialise_ns > records["native"].serialise_ns
    assert records["reference"].decide_ns > records["native"].decide_ns
    # Input and output are encoded and decoded once each, on devices of 1 MMAC/s.
    for name, record in records.items():
        expected = sum(
            round(costs.macs(name, operation, 4) * 1e9 / 1e6)
            for operation in ("encode:raw", "decode:raw")
            for _ in range(2)
        )
        assert record.serialise_ns == expected
        assert record.decide_ns == round(costs.macs(name, "exit_scores", 4) * 1e9 / 1e6)


def test_a_crash_is_seen_after_the_heartbeat_timeout(world):
    fault = FaultEvent("crash", "d0", 250 * MS, None)
    stages, replicas = [student("s0")], [Replica("s0", "d0")]
    outcome = world.run(
        stages, replicas, all_of("s0"), requests=2, arrivals_ns=[0, 800 * MS], faults=(fault,)
    )
    (line,) = outcome.faults
    assert (line["kind"], line["target"], line["injected_ns"]) == ("crash", "d0", 250 * MS)
    assert line["detected_ns"] == 500 * MS, "last heard of at 200 ms, given up 300 ms later"
    assert line["landed"]
    assert line["recovered_ns"] is None
    assert [r.status for r in outcome.records] == ["ok", "timeout"]
    assert outcome.records[1].bytes_down == 0, "nothing is sent to a device that is lost"


def test_a_fault_that_never_lands_is_said(world):
    fault = FaultEvent("crash", "d0", None, 7)
    outcome = world.run([student("s0")], [Replica("s0", "d0")], all_of("s0"), faults=(fault,))
    assert [line["landed"] for line in outcome.faults] == [False]
    assert any("never landed" in warning for warning in outcome.warnings)


@given(seed=st.integers(0, 10**6), crashes=st.integers(0, 3), requests=st.integers(1, 8))
@settings(max_examples=50, deadline=None)
def test_every_request_is_accounted_for_under_random_crashes(make_world, seed, crashes, requests):
    faults = tuple(
        FaultEvent("crash", f"d{i}", round(uniform(seed, i) * 30 * MS), None)
        for i in range(crashes)
    )
    stages = [student("s0"), student("s1", macs=2000)]
    replicas = [Replica("s0", "d0"), Replica("s0", "d1"), Replica("s1", "d2")]
    outcome = make_world().run(
        stages, replicas, all_of("s0", "s1"), requests=requests, faults=faults, deadline_ms=10
    )
    assert len(outcome.records) == requests
    assert {r.status for r in outcome.records} <= {"ok", "timeout"}
    for record in outcome.records:
        assert (record.answered_ns is None) == (record.status == "timeout")
        assert 0 <= record.macs_wasted <= record.macs <= 4000
