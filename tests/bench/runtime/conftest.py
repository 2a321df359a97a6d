"""A toy world for the runtime: tiny modules, round numbers, every cost known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import pytest
import torch

from coinfer.cluster import Cluster, Device, FaultEvent, Link
from coinfer.cluster.cost_table import CostTable, KernelCost
from coinfer.contract import (
    Arrival,
    Deployment,
    FusionContext,
    Job,
    ModuleRef,
    Stage,
)
from coinfer.runtime.job import Load
from coinfer.runtime.record import Outcome
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer.suite.schema import Encoding
from coinfer_kernels import backend

MS = 1_000_000


class Function(torch.nn.Module):
    def __init__(self, call: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.call = call

    def forward(self, *needs: torch.Tensor) -> torch.Tensor:
        return self.call(*needs)


FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "identity": lambda x: x,
    "double": lambda x: 2 * x,
    "first": lambda x: x[:, :1],
    "rest": lambda x: x[:, 1:],
    "join": lambda *xs: torch.cat(xs, dim=1),
    "add-rows": lambda x: x.sum(dim=0, keepdim=True),
    "smooth": lambda x: (x[:, :-2] + x[:, 1:-1] + x[:, 2:]) / 3,
}


def build(ref: ModuleRef) -> torch.nn.Module:
    return Function(FUNCTIONS[ref.builder])


def free_costs(call_macs: float = 0.0) -> CostTable:
    operations = [f"{do}:{e}" for do in ("encode", "decode") for e in get_args(Encoding)]
    cost = KernelCost(call_macs=call_macs, element_macs=0.0)
    kernels = dict.fromkeys([*operations, "exit_scores", "feature_change"], cost)
    return CostTable("test", "test", "never", "none", dict.fromkeys(backend.available(), kernels))


def cluster(count: int = 3, **link: Any) -> Cluster:
    """Devices of 1 MMAC/s (1 MAC = 1 us), links of 8 Mbit/s (1 byte = 1 us), 1 ms away."""
    return Cluster(
        devices=tuple(Device(name=f"d{i}", macs_per_s=1e6) for i in range(count)),
        links={
            "*": Link(
                **({"up_bps": 8e6, "down_bps": 8e6, "latency_ms": 1, "header_bytes": 0} | link)
            )
        },
        source_macs_per_s=1e6,
    )


@dataclass
class Rule:
    """A fusion rule written in a test: notes what it saw, answers by a function."""

    job: Job
    arrival: Callable[[Rule, Arrival, FusionContext], list[Any]]
    timer: Callable[[Rule, str], list[Any]] = lambda rule, token: []
    peer: Callable[[Rule, str], list[Any]] = lambda rule, device: []
    got: dict[str, np.ndarray] = field(default_factory=dict)
    log: list[tuple[int, str]] = field(default_factory=list)

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> list[Any]:
        self.got[arrival.stage] = arrival.value
        self.log.append((ctx.now_ns, f"{arrival.stage}@{arrival.device}"))
        return self.arrival(self, arrival, ctx)

    def on_timer(self, token: str, ctx: FusionContext) -> list[Any]:
        return self.timer(self, token)

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> list[Any]:
        return self.peer(self, device)


@dataclass
class World:
    """Runs a deployment of toy stages and keeps the fusion rules it made."""

    rules: list[Rule] = field(default_factory=list)

    def run(self, *args: Any, **more: Any) -> Outcome:
        return VirtualDriver(self.scenario(*args, **more), Runner(build, memo=True)).run()

    def scenario(
        self,
        stages: list[Stage],
        replicas: list[Any],
        arrival: Callable[[Rule, Arrival, FusionContext], list[Any]] | None = None,
        *,
        requests: int = 1,
        arrivals_ns: list[int] | None = None,
        faults: tuple[FaultEvent, ...] = (),
        deadline_ms: int = 1000,
        on: Cluster | None = None,
        costs: CostTable | None = None,
        kernels: str = "reference",
        seed: int = 0,
        timer: Any = None,
        peer: Any = None,
        fusion: Callable[[Job], Any] | None = None,
        workload: dict[str, Any] | None = None,
        timeline: tuple[int, ...] = (),
        **deployment: Any,
    ) -> Scenario:
        def rule(job: Job) -> Rule:
            more = {k: v for k, v in (("timer", timer), ("peer", peer)) if v is not None}
            assert arrival is not None
            self.rules.append(Rule(job, arrival, **more))
            return self.rules[-1]

        images = np.arange(4 * requests, dtype=np.float32).reshape(requests, 4)
        numbers = tuple(range(requests))
        load = Load(images, numbers, numbers, arrivals_ns, deadline_ms * MS, **(workload or {}))
        return Scenario(
            Deployment(tuple(stages), tuple(replicas), fusion or rule, **deployment),
            on or cluster(),
            load,
            faults,
            "raw",
            backend.load(kernels),
            costs or free_costs(),
            seed,
            timeline,
        )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def make_world() -> type[World]:
    """For property tests, which may not share a function's fixture between examples."""
    return World


@pytest.fixture(scope="session")
def toy_costs() -> Callable[..., CostTable]:
    return free_costs


@pytest.fixture(scope="session")
def toy_cluster() -> Callable[..., Cluster]:
    return cluster


@pytest.fixture(scope="session")
def kernel_costs() -> Callable[[float], CostTable]:
    """Cost tables in which every call of a kernel costs so many MACs."""
    return free_costs
