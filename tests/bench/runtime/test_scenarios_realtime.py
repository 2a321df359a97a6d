"""Links and workloads with real processes: the same draws and fates as in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from coinfer.cluster import Cluster, Device, Link, RateStep
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, Answer, Batching, Deployment, ModuleRef, Need, Replica, Stage
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import Scenario, VirtualDriver
from coinfer.training.modules import build
from coinfer_kernels import backend

pytestmark = pytest.mark.alone

MS = 1_000_000
IDENTITY = ModuleRef("torch.nn:Identity")
STAGES = (
    Stage("a", IDENTITY, (Need(INPUT),), (16,), macs=5000),
    Stage("b", IDENTITY, (Need(INPUT),), (16,), macs=9000),
    Stage("c", IDENTITY, (Need("a"),), (16,), macs=5000),
)


class WaitForAll:
    """Answers when every stage has arrived."""

    def __init__(self, job):
        self.rows = job.rows
        self.got = set()

    def on_arrival(self, arrival, ctx):
        self.got.add(arrival.stage)
        return [Answer(self.rows, self.rows)] if {"a", "b", "c"} <= self.got else []

    def on_timer(self, token, ctx):
        return []

    def on_peer(self, device, alive, ctx):
        return []


def link(**more):
    return Link(**({"up_bps": 1e6, "down_bps": 1e6, "latency_ms": 5, "jitter_ms": 2} | more))


FATES = ("status", "warm_up")
COSTS = ("macs", "messages", "bytes_up", "bytes_down", "bytes_peer")


def both(
    links=None, *, same=(*FATES, *COSTS), arrivals_ns=None, batching=None, workload=None, **more
):
    """Outcomes of ten requests with real processes and in virtual time."""
    requests = 10
    numbers = tuple(range(requests))
    images = np.random.default_rng(0).normal(size=(requests, 16)).astype(np.float32)
    given = Scenario(
        deployment=Deployment(
            STAGES,
            (Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d1")),
            WaitForAll,
            batching or Batching(),
        ),
        cluster=Cluster(
            devices=tuple(Device(name=f"d{i}", macs_per_s=1e6) for i in range(2)),
            links={"*": links or link()},
            source_macs_per_s=1e8,
            heartbeat_timeout_ms=5000,
            **more,
        ),
        load=Load(images, numbers, numbers, arrivals_ns, 1000 * MS, **(workload or {})),
        faults=(),
        encoding="int8",
        backend=backend.load("native"),
        costs=load_cost_table(),
        seed=1,
    )
    real = RealtimeDriver(given, build, dilated=True).run()
    virtual = VirtualDriver(given, Runner(build, memo=False)).run()
    for name in same:
        here, there = ([getattr(r, name) for r in o.records] for o in (real, virtual))
        assert here == there, name
    assert real.lost_messages == virtual.lost_messages
    assert real.foreign_messages == 0
    for r in real.records:
        if r.answered_ns is not None:
            parts = (r.compute_ns, r.serialise_ns, r.link_ns, r.queue_ns, r.decide_ns)
            assert sum(parts) == r.answered_ns - r.intended_ns
    return real, virtual


@pytest.mark.parametrize(
    ("links", "more"),
    [
        (link(loss=0.3, on_loss="retransmit", retransmit_ms=4), {"medium": "shared"}),
        (link(loss=0.1), {}),
        (
            link(trace=(RateStep(0, 1e6, 1e6), RateStep(30, 1e5, 2e5))),
            {"routes": {"d0>d1": Link(1e5, latency_ms=3)}},
        ),
        (link(loss=0.05), {"medium": "shared", "broadcast": "multicast"}),
    ],
    ids=["retransmit", "drop", "trace-and-route", "multicast"],
)
def test_links_treat_messages_as_in_virtual_time(links, more):
    _, virtual = both(links, **more)
    assert (virtual.lost_messages > 0) == (links.loss > 0 and links.on_loss == "drop")


def test_queries_and_batches_are_made_as_in_virtual_time():
    real, _ = both(batching=Batching(rows=3, wait_ns=5 * MS), workload={"query": 4, "warm_up": 4})
    assert {r.status for r in real.records} == {"ok"}
    assert [r.warm_up for r in real.records] == [True] * 4 + [False] * 6
    begun = [r.intended_ns for r in real.records]
    settled = max(r.answered_ns for r in real.records[:4])
    assert min(begun[4:8]) >= settled > max(begun[:4])


@pytest.mark.parametrize("drop_oldest", [False, True])
def test_full_queues_treat_requests_as_in_virtual_time(drop_oldest):
    arrivals = [0] * 4 + [400 * MS] * 6
    limits = {"queue_limit": 3, "drop_oldest": drop_oldest}
    # What a stop still finds to stop hangs on fractions of a millisecond.
    same = FATES if drop_oldest else (*FATES, *COSTS)
    real, _ = both(same=same, arrivals_ns=arrivals, workload=limits)
    ok = [r.request for r in real.records if r.status == "ok"]
    assert ok == ([1, 2, 3, 7, 8, 9] if drop_oldest else [0, 1, 2, 4, 5, 6])
