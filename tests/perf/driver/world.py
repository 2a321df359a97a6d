"""A deployment of trivial stages on any number of devices: nothing costs but the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch

from coinfer.cluster import Cluster, Device, Link
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import (
    INPUT,
    Action,
    Answer,
    Arrival,
    Deployment,
    FusionContext,
    Job,
    ModuleRef,
    Need,
    Replica,
    Stage,
)
from coinfer.runtime.job import Load
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer_kernels import backend

ENCODING = "raw"
DEADLINE_NS = 100_000_000


class WaitForAll:
    """Answers when every device has sent its value."""

    def __init__(self, job: Job, devices: int) -> None:
        self._rows = job.rows
        self._missing = devices

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        if arrival.stage != INPUT:
            self._missing -= 1
        return [] if self._missing else [Answer(self._rows, (0,) * len(self._rows))]

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        return []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        return []


def scenario(devices: int, requests: int) -> Scenario:
    """One stage a device, with one need and one value as its output; jitter on every link."""
    module = ModuleRef("identity")
    names = [f"d{place}" for place in range(devices)]
    stages = [Stage(f"s-{name}", module, (Need(INPUT),), (1,), macs=1000) for name in names]
    numbers = tuple(range(requests))
    return Scenario(
        deployment=Deployment(
            tuple(stages),
            tuple(Replica(f"s-{name}", name) for name in names),
            lambda job: WaitForAll(job, devices),
        ),
        cluster=Cluster(
            devices=tuple(Device(name=name, macs_per_s=1e6) for name in names),
            links={"*": Link(up_bps=8e9, down_bps=8e9, latency_ms=1, jitter_ms=1)},
            source_macs_per_s=1e12,
        ),
        load=Load(np.zeros((requests, 1), np.float32), numbers, numbers, None, DEADLINE_NS),
        faults=(),
        encoding=ENCODING,
        backend=backend.load("native"),
        costs=load_cost_table(),
        seed=0,
    )


def driver(
    devices: int, requests: int, on_request: Callable[[int], None] = lambda _: None
) -> VirtualDriver:
    """A run that has not begun; equal inputs, so that the one stage is computed once."""
    runner = Runner(lambda _: torch.nn.Identity(), memo=True)
    return VirtualDriver(scenario(devices, requests), runner, on_request)
