"""Random scenarios for both emulators, drawn by seed.

Five kinds of deployments on three devices, all kinds of links, open and closed loops, every kind of
fault. Speeds, rates and times are odd numbers on purpose, so that nothing but what belongs together
happens in the same nanosecond.
"""

from __future__ import annotations

import random

import numpy as np
import torch

from coinfer.cluster import Cluster, Device, FaultEvent, Link
from coinfer.cluster.cost_table import CostTable, KernelCost
from coinfer.contract import (
    INPUT,
    SOURCE,
    After,
    Answer,
    Deployment,
    Evaluate,
    GiveUp,
    ModuleRef,
    Need,
    OnDemand,
    Permit,
    Replica,
    Stage,
    Start,
    Stop,
    Timer,
    permit,
)
from coinfer.runtime.job import Load
from coinfer.runtime.scenario import Scenario
from coinfer_kernels import backend

MS = 1_000_000
DEVICES = ("d0", "d1", "d2")
REQUESTS = 12
SEEDS = range(160)
SILENT = ("crash", "pause", "partition")


class Ones(torch.nn.Module):
    """As many values as are asked for, whatever comes in."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, *needs):
        return torch.ones(1, self.width)


def build(ref):
    return Ones(ref.arguments["width"])


def stage(draw, name, *needs, **more):
    width = draw.randint(1, 6)
    wanted = tuple(n if isinstance(n, Need) else Need(n) for n in needs)
    macs, weights = draw.randint(100, 4000), draw.randint(100, 3000)
    ref = ModuleRef("ones", {"width": width})
    return Stage(name, ref, wanted, (width,), macs=macs, weights_bytes=weights, **more)


class Rule:
    """Scores what arrives; what to do about it is the subclass's."""

    def __init__(self, job):
        self.rows, self.got = job.rows, set()

    def on_arrival(self, arrival, ctx):
        self.got.add(arrival.stage)
        if arrival.stage == INPUT:
            return self.begin()
        ctx.kernels.exit_scores(arrival.value)
        return self.decide(arrival.stage, ctx)

    def begin(self):
        return []

    def answer(self, **more):
        return [Answer(self.rows, (0,), **more)]

    def on_timer(self, token, ctx):
        return []

    def on_peer(self, device, alive, ctx):
        return []


def portions(draw):
    """Two partitions, one with two replicas; the head at the source; zeros for what is late."""
    stages = [stage(draw, "p0", INPUT), stage(draw, "p1", INPUT), stage(draw, "head", "p0", "p1")]
    replicas = [Replica("p0", "d0"), Replica("p0", "d1"), Replica("p1", "d2")]
    late_ns = draw.randint(9 * MS, 19 * MS)

    class Portions(Rule):
        def begin(self):
            return [Timer(late_ns, "late")]

        def decide(self, name, ctx):
            if name == "head":
                return [*self.answer(degraded=len(self.got) < 4), Stop(self.rows)]
            return self.fuse() if {"p0", "p1"} <= self.got else []

        def on_timer(self, token, ctx):
            return self.fuse()

        def fuse(self):
            return [Evaluate("head", self.rows, (np.zeros((1, 4), np.float32),))]

    return stages, [*replicas, Replica("head", SOURCE)], Portions


def exits(draw):
    """Two devices of two blocks each; the second block waits for leave."""
    stages, replicas = [], []
    for device in ("d0", "d1"):
        here = [f"{device}.{part}" for part in ("b1", "e1", "b2", "e2")]
        b1, e1, b2, e2 = here
        stages += [
            stage(draw, b1, INPUT, to_source=False),
            stage(draw, e1, Need(b1, same_device=True)),
            stage(draw, b2, Need(b1, same_device=True), permit("second"), to_source=False),
            stage(draw, e2, Need(b2, same_device=True)),
        ]
        replicas += [Replica(name, device) for name in here]

    class Exits(Rule):
        def decide(self, name, ctx):
            now = {"d0.e1", "d1.e1"} <= self.got if name.endswith("e1") else False
            if now and self.rows[0] % 3 == 0:
                return [*self.answer(exit=1), Stop(self.rows)]
            if now:
                return [Permit("second", self.rows)]
            return self.answer(exit=2) if {"d0.e2", "d1.e2"} <= self.got else []

        def on_peer(self, device, alive, ctx):
            return [] if alive or device == "d2" else [GiveUp(self.rows)]

    return stages, replicas, Exits


def chain(draw):
    """Three layers on three devices, with a look at the second."""
    stages = [
        stage(draw, "l0", INPUT, to_source=False),
        stage(draw, "l1", "l0"),
        stage(draw, "l2", "l1"),
    ]

    class Chain(Rule):
        def decide(self, name, ctx):
            return self.answer() if name == "l2" else []

    return stages, [Replica(f"l{i}", f"d{i}") for i in range(3)], Chain


def hedge(draw):
    """A second replica when the first is late, and a fall-back where a device is lost."""
    stages = [stage(draw, "m", INPUT), stage(draw, "spare", INPUT)]
    after = After(draw.randint(4 * MS, 9 * MS))
    replicas = [Replica("m", "d0"), Replica("m", "d1", after), Replica("spare", "d2", OnDemand())]

    class Hedge(Rule):
        def decide(self, name, ctx):
            return [*self.answer(degraded=name == "spare"), Stop(self.rows)]

        def on_peer(self, device, alive, ctx):
            return [] if alive or not ctx.alive("d2") else [Start("spare", "d2")]

    return stages, replicas, Hedge


def crowd(draw):
    """Two stages of each request on every device; all of them are wanted."""
    names = [f"{d}.{n}" for d in DEVICES for n in (1, 2)]
    stages = [stage(draw, name, INPUT) for name in names]

    class Crowd(Rule):
        def decide(self, name, ctx):
            return self.answer() if set(names) <= self.got else []

    return stages, [Replica(name, name[:2]) for name in names], Crowd


DEPLOYMENTS = (portions, exits, chain, hedge, crowd)


def link(draw):
    more = {"jitter_ms": draw.uniform(0.05, 2)} if draw.random() < 0.6 else {}
    if draw.random() < 0.4:
        more["loss"] = draw.uniform(0.01, 0.2)
        if draw.random() < 0.6:
            retries = {"retransmit_ms": draw.uniform(0.1, 3), "retransmit_most": draw.randint(1, 4)}
            more |= {"on_loss": "retransmit"} | retries
    return Link(
        up_bps=draw.uniform(1e5, 8e6),
        down_bps=draw.uniform(1e5, 8e6),
        latency_ms=draw.uniform(0, 2),
        header_bytes=draw.randint(0, 60),
        **more,
    )


def route(draw):
    jitter_ms = draw.uniform(0, 1)
    return Link(up_bps=draw.uniform(1e5, 8e6), header_bytes=0, jitter_ms=jitter_ms, loss=0.05)


def faults(draw):
    found = []
    for _ in range(draw.choice([0, 1, 3, 6])):
        kind = draw.choice(["crash", "pause", "straggle", "drop", "delay", "corrupt", "partition"])
        target = draw.choice(DEVICES)
        on_request = draw.randrange(REQUESTS) if draw.random() < 0.3 else None
        at_ns = draw.randint(0, 130 * MS) if on_request is None else None
        more = {} if kind == "crash" else {"duration_ns": draw.randint(MS // 2, 50 * MS)}
        if kind in ("drop", "corrupt"):
            more["probability"] = draw.uniform(0.2, 1)
        if kind == "straggle":
            more["factor"] = draw.uniform(1.2, 6)
        if kind == "delay":
            more["delay_ns"] = draw.randint(1, 12 * MS)
        found.append(FaultEvent(kind, target, at_ns, on_request, number=len(found), **more))
        if kind == "crash" and draw.random() < 0.8:
            wait_ns = draw.randint(MS, 40 * MS)
            back_ns, after_ns = (at_ns + wait_ns, 0) if at_ns is not None else (None, wait_ns)
            found.append(
                FaultEvent("rejoin", target, back_ns, on_request, after_ns, number=len(found))
            )
    return tuple(found)


def costs(draw):
    kernels = ("encode:raw", "decode:raw", "exit_scores")
    of = {name: KernelCost(draw.uniform(0, 300), draw.uniform(0, 30)) for name in kernels}
    return CostTable("test", "test", "never", "none", {"reference": of})


def scenario(seed):
    draw = random.Random(seed)
    stages, replicas, rule = DEPLOYMENTS[seed % len(DEPLOYMENTS)](draw)
    beat_ms = draw.uniform(2, 6)
    cluster = Cluster(
        devices=tuple(Device(name=name, macs_per_s=draw.uniform(5e5, 3e6)) for name in DEVICES),
        links={"*": link(draw), "d1": link(draw)},
        routes={"d0>d1": route(draw)} if draw.random() < 0.3 else {},
        source_macs_per_s=draw.uniform(5e5, 5e6),
        medium=draw.choice(["point-to-point", "shared"]),
        broadcast=draw.choice(["unicast", "multicast"]),
        heartbeat_ms=beat_ms,
        heartbeat_timeout_ms=beat_ms * draw.uniform(1.5, 4),
    )
    times = None
    if draw.random() < 0.6:
        times = sorted(draw.randint(0, 140 * MS) for _ in range(REQUESTS))
    numbers = tuple(range(REQUESTS))
    deadline_ns = draw.randint(15 * MS, 60 * MS)
    images = np.zeros((REQUESTS, 4), np.float32)
    load = Load(images, numbers, numbers, times, deadline_ns, query=draw.choice([1, 1, 3]))
    deployment = Deployment(tuple(stages), tuple(replicas), rule)
    return Scenario(
        deployment,
        cluster,
        load,
        faults(draw),
        "raw",
        backend.load("reference"),
        costs(draw),
        seed,
    )
