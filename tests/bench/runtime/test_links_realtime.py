"""Loss, traces, routes and broadcasts with real processes: the same draws as in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from coinfer.cluster import Cluster, Device, Link, RateStep
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, Answer, Deployment, ModuleRef, Need, Replica, Stage
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import Scenario, VirtualDriver
from coinfer.training.modules import build
from coinfer_kernels import backend

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
def test_a_short_run_takes_the_same_way_as_in_virtual_time(links, more):
    requests = 10
    numbers = tuple(range(requests))
    images = np.random.default_rng(0).normal(size=(requests, 16)).astype(np.float32)
    given = Scenario(
        deployment=Deployment(
            STAGES, (Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d1")), WaitForAll
        ),
        cluster=Cluster(
            devices=tuple(Device(name=f"d{i}", macs_per_s=1e6) for i in range(2)),
            links={"*": links},
            source_macs_per_s=1e8,
            heartbeat_timeout_ms=5000,
            **more,
        ),
        load=Load(images, numbers, numbers, None, 1000 * MS),
        faults=(),
        encoding="int8",
        backend=backend.load("native"),
        costs=load_cost_table(),
        seed=1,
    )
    real = RealtimeDriver(given, build, dilated=True).run()
    virtual = VirtualDriver(given, Runner(build, memo=False)).run()
    for name in ("status", "macs", "messages", "bytes_up", "bytes_down", "bytes_peer"):
        here, there = ([getattr(r, name) for r in o.records] for o in (real, virtual))
        assert here == there, name
    assert real.lost_messages == virtual.lost_messages
    assert (virtual.lost_messages > 0) == (links.loss > 0 and links.on_loss == "drop")
    for r in real.records:
        if r.answered_ns is not None:
            parts = (r.compute_ns, r.serialise_ns, r.link_ns, r.queue_ns, r.decide_ns)
            assert sum(parts) == r.answered_ns - r.intended_ns
