"""A long virtual run holds what its records need, and nothing else of what is over."""

from __future__ import annotations

import gc
import tracemalloc

import msgspec
import numpy as np
import pytest
import torch

from coinfer.cluster import FaultEvent
from coinfer.contract import INPUT, Answer, Deployment, ModuleRef, Need, Replica, Stage, Stop, Timer
from coinfer.runtime.job import Load
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer_kernels import backend

MS = 1_000_000


class FirstAnswer:
    def __init__(self, job):
        self.rows = job.rows

    def on_arrival(self, arrival, ctx):
        if arrival.stage == INPUT:
            return [Timer(50 * MS, "late")]
        return [Answer(self.rows, (0,)), Stop(self.rows)]

    def on_timer(self, token, ctx):
        return []

    def on_peer(self, device, alive, ctx):
        return []


def held(cluster, costs, requests, faults=(), deadline_ms=20):
    """Bytes that are held when a request begins, at every 200th of them."""
    stages = [
        Stage(f"s{i}", ModuleRef("identity"), (Need(INPUT),), (4,), macs=1000 * i) for i in (1, 2)
    ]
    numbers = tuple(range(requests))
    images = np.zeros((requests, 4), np.float32)
    scenario = Scenario(
        Deployment(tuple(stages), (Replica("s1", "d0"), Replica("s2", "d1")), FirstAnswer),
        cluster,
        Load(images, numbers, numbers, None, deadline_ms * MS),
        faults,
        "raw",
        backend.load("native"),
        costs,
        0,
    )
    seen = []

    def look(request):
        if request % 200 == 0:
            gc.collect()
            seen.append(tracemalloc.get_traced_memory()[0])

    driver = VirtualDriver(scenario, Runner(lambda _: torch.nn.Identity(), memo=True), look)
    tracemalloc.start()
    try:
        driver.run()
    finally:
        tracemalloc.stop()
    return seen


DROP = FaultEvent("drop", "d0", 0, None, duration_ns=10**15, probability=0.5)


@pytest.mark.parametrize(
    ("changes", "link", "faults", "most_bytes"),
    [
        # An entry of the ledger with its numbers, its path and its answer: 400 bytes.
        ({}, {}, (), 500),
        ({"medium": "shared", "broadcast": "multicast"}, {"jitter_ms": 1.0}, (), 500),
        # And what outputs that were lost would have told of the work behind them.
        ({}, {"loss": 0.2, "on_loss": "retransmit", "retransmit_ms": 1.0}, (DROP,), 1000),
    ],
    ids=["plain", "multicast", "losses"],
)
def test_memory_grows_by_the_records_alone(
    toy_cluster, kernel_costs, changes, link, faults, most_bytes
):
    cluster = msgspec.structs.replace(toy_cluster(2, **link), **changes)
    seen = held(cluster, kernel_costs(0.0), 801, faults)
    # The first 200 fill what is remembered of stages and links.
    assert (seen[-1] - seen[1]) / 600 <= most_bytes
