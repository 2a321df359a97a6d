"""Faults with real processes: what happened, and when, is what virtual time says."""

from __future__ import annotations

import multiprocessing

import numpy as np
import psutil
import pytest

from coinfer.cluster import Cluster, Device, Fault, FaultEvent, FaultList, Link, expand
from coinfer.cluster.cost_table import load_cost_table
from coinfer.cluster.draws import choice, uniform
from coinfer.contract import INPUT, Answer, Deployment, ModuleRef, Need, Replica, Stage
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer.training.modules import build
from coinfer_kernels import backend

pytestmark = pytest.mark.alone

MS = 1_000_000
NEAR_MS = 150
"""Times agree so far at least: a busy machine needs that much."""
ARRIVALS_MS = (50, 250, 450, 950, 1150)
"""Far from whatever the faults below begin or end."""


class WaitForAll:
    """Answers when every device that is believed alive has sent its output."""

    def __init__(self, job, devices):
        self.rows = job.rows
        self.missing = set(devices)
        self.devices = len(devices)

    def on_arrival(self, arrival, ctx):
        self.missing.discard(arrival.device)
        return self.settle(ctx)

    def on_timer(self, token, ctx):
        return []

    def on_peer(self, device, alive, ctx):
        return self.settle(ctx)

    def settle(self, ctx):
        waited_for = [d for d in self.missing if ctx.alive(d)]
        if waited_for or len(self.missing) == self.devices:
            return []
        return [Answer(self.rows, self.rows, degraded=bool(self.missing))]


def scenario(*faults, devices=1, arrivals_ms=ARRIVALS_MS, deadline_ms=220, seed=1, **more):
    """Stages of 20 ms on devices that messages of 64 bytes take 5.5 ms to come to."""
    names = [f"d{i}" for i in range(devices)]
    identity = ModuleRef("torch.nn:Identity")
    stages = tuple(
        Stage(
            f"s{n}", identity, (Need(INPUT),), (16,), 20_000, weights_bytes=2000, activation_bytes=0
        )
        for n in names
    )
    cluster = Cluster(
        devices=tuple(
            Device(name=n, macs_per_s=1e6, memory_bytes=more.get("memory_bytes", 1 << 20))
            for n in names
        ),
        links={"*": Link(up_bps=1e6, down_bps=1e6, latency_ms=more.get("latency_ms", 5))},
        source_macs_per_s=1e8,
        groups={"all": tuple(names)},
        heartbeat_ms=more.get("heartbeat_ms", 100),
        heartbeat_timeout_ms=3 * more.get("heartbeat_ms", 100),
    )
    requests = len(arrivals_ms)
    numbers = tuple(range(requests))
    images = np.random.default_rng(0).normal(size=(requests, 16)).astype(np.float32)
    return Scenario(
        Deployment(
            stages,
            tuple(Replica(s.id, d) for s, d in zip(stages, names, strict=True)),
            lambda job: WaitForAll(job, names),
        ),
        cluster,
        Load(images, numbers, numbers, [round(t * MS) for t in arrivals_ms], deadline_ms * MS),
        expand(FaultList(faults), cluster, seed),
        "raw",
        backend.load("native"),
        load_cost_table(),
        seed,
    )


def real(given, *, dilated=True):
    outcome = RealtimeDriver(given, build, dilated=dilated).run()
    assert not multiprocessing.active_children()
    kept = ("resource_tracker", "forkserver")
    left = [" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)]
    assert [c for c in left if not any(k in c for k in kept)] == []
    assert [r.request for r in outcome.records] == list(range(len(given.load.items)))
    for r in outcome.records:
        assert r.status in ("ok", "degraded", "timeout", "failed")
        assert (r.answered_ns is None) == (r.status in ("timeout", "failed"))
        if r.answered_ns is not None:
            parts = (r.compute_ns, r.serialise_ns, r.link_ns, r.queue_ns, r.decide_ns)
            assert sum(parts) == r.answered_ns - r.intended_ns
    return outcome


def virtual(given):
    return VirtualDriver(given, Runner(build, memo=False)).run()


def fault(kind, at_ms, *, target="group:all", **more):
    return Fault(kind=kind, target=target, at_ms=at_ms, **more)


CASES = {
    "crash": fault("crash", 350.0),
    "rejoin-before-it-is-noticed": fault("crash", 350.0, rejoin_after_ms=150.0),
    "rejoin-after-it-is-noticed": fault("crash", 350.0, rejoin_after_ms=400.0),
    "short-pause": fault("pause", 330.0, duration_ms=150.0),
    "long-pause": fault("pause", 350.0, duration_ms=370.0),
    "straggle": fault("straggle", 400.0, duration_ms=200.0, factor=5.0),
    "drop": fault("drop", 400.0, duration_ms=150.0),
    "delay": fault("delay", 400.0, duration_ms=150.0, delay_ms=60.0),
    "corrupt": fault("corrupt", 400.0, duration_ms=150.0),
    "partition": fault("partition", 350.0, duration_ms=370.0),
    "out-of-memory": None,
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_lands_is_noticed_and_ends_as_in_virtual_time(case):
    """Two devices at once: the faults of a group belong together."""
    # Room for the weights of 2000 bytes, but not for a frame of 128 as well.
    short = {"memory_bytes": 2100} if case == "out-of-memory" else {}
    given = scenario(*filter(None, [CASES[case]]), devices=2, **short)
    here, there = real(given), virtual(given)
    assert [r.status for r in here.records] == [r.status for r in there.records]
    assert there.faults
    by_target = [sorted(o.faults, key=lambda f: (f["target"], f["kind"])) for o in (here, there)]
    for line, expected in zip(*by_target, strict=True):
        for name in ("kind", "target", "landed", "planned"):
            assert line[name] == expected[name], name
        assert line["landed"]
        for name in ("injected_ns", "detected_ns", "recovered_ns"):
            assert (line[name] is None) == (expected[name] is None), (line, expected)
            if line[name] is not None:
                assert line[name] == pytest.approx(expected[name], abs=NEAR_MS * MS), name
        assert set(line["observed"]) == set(expected["observed"])
        for name, count in line["observed"].items():
            slack = 0 if name == "shipped_bytes" else 1
            assert count == pytest.approx(expected["observed"][name], abs=slack), name
    # At most one of each device may have come to the edge of a window.
    for name in ("lost_messages", "corrupt_messages", "stale_messages"):
        assert getattr(here, name) == pytest.approx(getattr(there, name), abs=2), name


@pytest.mark.parametrize(("crash_ms", "status", "stale"), [(50.0, "timeout", 1), (300.0, "ok", 0)])
def test_what_is_under_way_when_a_device_dies(crash_ms, status, stale):
    """An input that comes while the next life is on its way is stale; an output still arrives."""
    given = scenario(
        fault("crash", crash_ms, rejoin_after_ms=50.0),
        arrivals_ms=(0, 900),
        deadline_ms=600,
        latency_ms=200,
    )
    here, there = real(given), virtual(given)
    for outcome in (here, there):
        assert [r.status for r in outcome.records] == [status, "ok"]
        assert outcome.stale_messages == stale
        assert outcome.lost_messages == 0
        assert all(line["landed"] for line in outcome.faults)


def test_what_does_not_land_is_said_with_the_reason():
    """A suite's list would be refused for the second one; who drives must not trust in that."""
    events = (
        FaultEvent("crash", "d0", 100 * MS, None),
        FaultEvent("pause", "d0", 200 * MS, None, duration_ns=5 * MS),
        FaultEvent("straggle", "d1", 300 * MS, None, duration_ns=5 * MS, factor=2.0),
        FaultEvent("drop", "d1", 400 * MS, None, duration_ns=MS),
        FaultEvent("rejoin", "d1", 450 * MS, None),
        FaultEvent("crash", "d1", 9000 * MS, None),
    )
    given = scenario(devices=2, arrivals_ms=(50, 500))._replace(faults=events)
    here, there = real(given), virtual(given)
    assert [f["landed"] for f in here.faults] == [True] + [False] * 5
    assert [w for w in here.warnings if "pinning" not in w] == list(there.warnings)
    assert len(there.warnings) == 5


def test_native_mode_carries_every_kind_out():
    """No model of links: what faults do to messages is done where all of them come by."""
    faults = (
        fault("straggle", 100.0, duration_ms=100.0, factor=3.0),
        fault("drop", 300.0, duration_ms=100.0),
        fault("corrupt", 500.0, duration_ms=100.0),
        fault("delay", 700.0, duration_ms=100.0, delay_ms=20.0),
        fault("pause", 900.0, duration_ms=150.0),
        fault("partition", 1100.0, duration_ms=100.0),
        fault("crash", 1300.0, rejoin_after_ms=100.0),
    )
    arrivals_ms = (50, 150, 350, 550, 750, 950, 1150, 1350, 5000)
    outcome = real(scenario(*faults, arrivals_ms=arrivals_ms, deadline_ms=140), dilated=False)
    assert all(line["landed"] for line in outcome.faults), outcome.faults
    status = {t: r.status for t, r in zip(arrivals_ms, outcome.records, strict=True)}
    assert {status[t] for t in (50, 150, 750, 5000)} == {"ok"}
    assert {status[t] for t in (350, 550, 1150, 1350)} == {"timeout"}
    delayed = outcome.records[4]
    assert delayed.link_ns >= 2 * 20 * MS
    by_kind = {line["kind"]: line for line in outcome.faults}
    assert by_kind["rejoin"]["observed"] == {"shipped_bytes": 2000}
    assert by_kind["rejoin"]["recovered_ns"] > by_kind["rejoin"]["injected_ns"]
    assert by_kind["crash"]["detected_ns"] is not None


KINDS = ("crash", "pause", "straggle", "drop", "delay", "corrupt", "partition")


def schedule(seed):
    """Entries of random kinds, targets and times, as those of a suite."""
    entries = []
    for number in range(4):
        key = (seed, "entry", number)
        kind = choice(KINDS, *key, "kind")
        more = {} if kind == "crash" else {"duration_ms": 10 + 200 * uniform(*key, "for")}
        if kind == "crash":
            more["rejoin_after_ms"] = 10 + 200 * uniform(*key, "after")
        if kind in ("drop", "corrupt"):
            more["probability"] = 0.2 + 0.8 * uniform(*key, "p")
        if kind == "straggle":
            more["factor"] = 1.5 + 10 * uniform(*key, "factor")
        if kind == "delay":
            more["delay_ms"] = 0.01 + 50 * uniform(*key, "delay")
        target = choice(("random", "random:2", "group:all", "d1"), *key, "target")
        rate = 0.5 + 2 * uniform(*key, "rate")
        entries.append(Fault(kind=kind, target=target, rate_per_s=rate, until_ms=1500.0, **more))
    return entries


@pytest.mark.parametrize(("seed", "dilated"), [(0, True), (1, True), (2, True), (3, False)])
def test_random_schedules_end_with_every_request_accounted_for(seed, dilated):
    """Records, and that no process is left, are looked at by `real`."""
    given = scenario(
        *schedule(seed),
        devices=3,
        arrivals_ms=[70 * n for n in range(24)],
        deadline_ms=150,
        heartbeat_ms=40,
        seed=seed,
    )
    outcome = real(given, dilated=dilated)
    assert len(outcome.faults) >= len(given.faults) > 3
    assert sum(line["landed"] for line in outcome.faults) > len(given.faults) // 3
    for line in outcome.faults:
        assert line["injected_ns"] is not None or not line["landed"]
        if line["recovered_ns"] is not None:
            assert line["recovered_ns"] >= line["injected_ns"]
