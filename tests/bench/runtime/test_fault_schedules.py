"""Random fault schedules in virtual time: every request ends, and nothing depends on bystanders."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from coinfer.cluster import Fault, FaultList, expand
from coinfer.cluster.draws import choice, uniform
from coinfer.contract import (
    INPUT,
    SOURCE,
    After,
    Answer,
    Batching,
    ModuleRef,
    Need,
    OnDemand,
    Replica,
    Slice,
    Stage,
    Start,
    Timer,
    permit,
)
from coinfer.methods.early_exit import EarlyExit, ExitLayout
from coinfer.methods.local_teacher import OneAnswer
from coinfer.methods.portion_fusion import PortionFusion, PortionHead, PortionLayout
from coinfer.methods.rules.blind import Never

MS = 1_000_000
SEEDS = range(200)
KINDS = ("crash", "pause", "straggle", "drop", "delay", "corrupt", "partition")


def stage(name, function, *needs, width=4, **more):
    wanted = tuple(n if isinstance(n, Need) else Need(n) for n in needs)
    more = {"macs": 500, "weights_bytes": 2000, "activation_bytes": 64} | more
    return Stage(name, ModuleRef(function), wanted, (width,), **more)


def portions():
    """Two partitions on three devices, the head at the source."""
    stages = [
        stage("s0", "first", INPUT, width=1),
        stage("s1", "rest", INPUT, width=3, macs=1500),
        stage("head", "identity", "s0", "s1", macs=10),
    ]
    replicas = [
        *(Replica("s0", "d0"), Replica("s0", "d1"), Replica("s1", "d2")),
        Replica("head", SOURCE),
    ]
    layout = PortionLayout(("s0", "s1"), (1, 3), (("d0", "d1"), ("d2",)))
    head = PortionHead("head", np.zeros(4, np.float32))
    return {
        "stages": stages,
        "replicas": replicas,
        "fusion": lambda job: PortionFusion(job, layout, head, 12 * MS),
        "batching": Batching(rows=3, wait_ns=2 * MS),
    }


def exits():
    """Two devices with two exits each; the second block waits for a permit."""
    gate = Need(permit("exit2"))
    stages = [stage(f"head{b}", "identity", f"s0.e{b}", width=2, macs=10) for b in (1, 2)]
    replicas = [Replica(f"head{b}", SOURCE) for b in (1, 2)]
    for k in (0, 1):
        b1, b2 = f"s{k}.b1", f"s{k}.b2"
        stages += [
            stage(b1, "identity", INPUT, to_source=False),
            stage(f"s{k}.e1", "first", Need(b1, same_device=True), width=1),
            stage(b2, "double", Need(b1, same_device=True), gate, to_source=False),
            stage(f"s{k}.e2", "first", Need(b2, same_device=True), width=1),
        ]
        replicas += [Replica(f"s{k}.{part}", f"d{k}") for part in ("b1", "e1", "b2", "e2")]
    layout = ExitLayout(("d0", "d1"), (1, 1), (1, 2))
    return {
        "stages": stages,
        "replicas": replicas,
        "fusion": lambda job: EarlyExit(job, layout, Never(), (0.0,), True, 15 * MS),
    }


def teacher():
    """One device, and a rule that gives up with it."""
    return {
        "stages": [stage("t", "double", INPUT)],
        "replicas": [Replica("t", "d1")],
        "fusion": lambda job: OneAnswer(job, "d1"),
    }


def pipeline():
    """Stripes over peers, a hedge, and a replica that is started when the others are late."""
    stages = [
        stage("a", "first", Need(INPUT, Slice(1, 0, 2)), width=1, to_source=False),
        stage("b", "rest", INPUT, width=3, to_source=False),
        stage("c", "join", Need("a", fill_after_ns=9 * MS), Need("b", Slice(1, 0, 2)), width=3),
        stage("spare", "double", INPUT),
    ]
    replicas = [
        *(Replica("a", "d0"), Replica("b", "d1"), Replica("b", "d3", After(6 * MS))),
        *(Replica("c", "d2"), Replica("spare", "d3", OnDemand())),
    ]

    def arrival(rule, arrived, ctx):
        if arrived.stage == INPUT:
            return [Timer(14 * MS, "late")]
        late = arrived.stage == "spare"
        return [Answer(arrived.rows, arrived.rows, final=not late, degraded=late)]

    return {
        "stages": stages,
        "replicas": replicas,
        "arrival": arrival,
        "timer": lambda rule, token: [Start("spare", "d3")],
    }


DEPLOYMENTS = (portions, exits, teacher, pipeline)


def schedule(seed, cluster):
    """A handful of entries of random kinds, targets and times, expanded as those of a suite."""
    entries = []
    for number in range(1 + int(5 * uniform(seed, "entries"))):
        key = (seed, "entry", number)
        kind = choice(KINDS, *key, "kind")
        more = {} if kind == "crash" else {"duration_ms": 1 + 40 * uniform(*key, "for")}
        if kind == "crash" and uniform(*key, "back") < 0.7:
            more["rejoin_after_ms"] = 1 + 30 * uniform(*key, "after")
        if kind in ("drop", "corrupt"):
            more["probability"] = 0.2 + 0.8 * uniform(*key, "p")
        if kind == "straggle":
            more["factor"] = 1.5 + 10 * uniform(*key, "factor")
        if kind == "delay":
            more["delay_ms"] = 20 * uniform(*key, "delay") + 0.01
        target = choice(("random", "random:2", "group:left", "d1", "d2"), *key, "target")
        rate = 2 + 30 * uniform(*key, "rate")
        entries.append(Fault(kind=kind, target=target, rate_per_s=rate, until_ms=200.0, **more))
    return expand(FaultList(events=tuple(entries)), cluster, seed)


def world_of(toy_cluster, count=4):
    return msgspec.structs.replace(
        toy_cluster(count, jitter_ms=0.2, latency_ms=0.5),
        heartbeat_ms=4.0,
        heartbeat_timeout_ms=12.0,
        groups={"left": ("d0", "d2")},
    )


def run(make_world, toy_cluster, seed, count=4):
    given = DEPLOYMENTS[seed % len(DEPLOYMENTS)]()
    requests = 24
    open_loop = uniform(seed, "workload") < 0.5
    times = [round(n * 7.3 * MS) for n in range(requests)] if open_loop else None
    return make_world().run(
        given.pop("stages"),
        given.pop("replicas"),
        **given,
        requests=requests,
        arrivals_ns=times,
        faults=schedule(seed, world_of(toy_cluster)),
        on=world_of(toy_cluster, count),
        deadline_ms=25,
        seed=seed,
    )


@pytest.fixture(scope="module")
def outcomes(make_world, toy_cluster):
    return {seed: run(make_world, toy_cluster, seed) for seed in SEEDS}


def test_every_request_is_accounted_for(outcomes):
    for seed, outcome in outcomes.items():
        assert [r.request for r in outcome.records] == list(range(24)), seed
        for r in outcome.records:
            assert r.status in ("ok", "degraded", "timeout", "failed"), seed
            assert (r.answered_ns is None) == (r.status in ("timeout", "failed")), seed
            assert 0 <= r.macs_wasted <= r.macs, seed
            if r.answered_ns is not None:
                parts = r.compute_ns + r.serialise_ns + r.link_ns + r.queue_ns + r.decide_ns
                assert parts == r.answered_ns - r.intended_ns <= 25 * MS, seed


def test_the_schedules_are_worth_the_name(outcomes):
    """All kinds land, all endings come, and lines make sense."""
    landed = Counter(line["kind"] for o in outcomes.values() for line in o.faults if line["landed"])
    assert set(landed) >= {*KINDS, "rejoin"}
    assert min(landed.values()) >= 20
    statuses = Counter(r.status for o in outcomes.values() for r in o.records)
    assert min(statuses[s] for s in ("ok", "degraded", "timeout", "failed")) >= 50
    for outcome in outcomes.values():
        for line in outcome.faults:
            injected, detected = line["injected_ns"], line["detected_ns"]
            recovered = line["recovered_ns"]
            assert injected is not None or not line["landed"]
            if detected is not None:
                # The last beat may have been an interval before the silence.
                assert 0 <= detected - injected <= 12 * MS + 4 * MS + 40 * MS
            if recovered is not None:
                assert recovered >= (detected or injected)


def test_counts_agree_with_the_faults(outcomes):
    for outcome in outcomes.values():
        seen = Counter[str]()
        for line in outcome.faults:
            seen.update(line["observed"])
        assert outcome.corrupt_messages <= seen["messages_corrupted"]
        assert outcome.lost_messages >= seen["messages_dropped"] + seen["messages_lost"]
        lost = seen["messages_dropped"] + seen["messages_lost"] + seen["messages_corrupted"]
        assert outcome.lost_messages <= lost


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_a_schedule_repeats_to_the_bit(outcomes, make_world, toy_cluster, seed):
    assert run(make_world, toy_cluster, seed) == outcomes[seed]


@pytest.mark.parametrize("seed", range(1, 200, 10))
def test_a_device_that_is_never_used_changes_nothing(outcomes, make_world, toy_cluster, seed):
    more = run(make_world, toy_cluster, seed, count=6)
    assert more.trace_sha256 == outcomes[seed].trace_sha256
    assert more.faults == outcomes[seed].faults


def test_devices_that_came_back_get_new_work(make_world, toy_cluster):
    """Crashes with a quick return: late requests are answered as if nothing had been."""
    faults = FaultList(
        events=tuple(
            Fault(kind="crash", target=f"d{d}", at_ms=20.0 + 5 * d, rejoin_after_ms=20.0)
            for d in range(4)
        )
    )
    for deployment in DEPLOYMENTS:
        given = deployment()
        outcome = make_world().run(
            given.pop("stages"),
            given.pop("replicas"),
            **given,
            requests=40,
            arrivals_ns=[n * 10 * MS for n in range(40)],
            faults=expand(faults, world_of(toy_cluster), 0),
            on=world_of(toy_cluster),
            deadline_ms=25,
        )
        assert all(line["landed"] for line in outcome.faults)
        assert all(line["recovered_ns"] is not None for line in outcome.faults)
        late = [r.status for r in outcome.records if r.intended_ns > 100 * MS]
        assert late == ["ok"] * len(late), deployment.__name__
