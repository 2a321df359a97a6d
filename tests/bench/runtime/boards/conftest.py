"""Boards on this machine: the same command as on a real one, dialling the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coinfer.cluster import Boards, Cluster, Device, Link
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, Answer, Deployment, ModuleRef, Need, Replica, Stage, Timer
from coinfer.runtime.boards import KeyFolder
from coinfer.runtime.job import Load
from coinfer.runtime.scenario import Scenario
from coinfer_kernels import backend

MS = 1_000_000
IDENTITY = ModuleRef("torch.nn:Identity")


class WaitForAll:
    """Answers with the largest sum when every device that is believed alive has sent its part."""

    def __init__(self, job, devices, hold):
        self.rows, self.devices, self.hold = job.rows, set(devices), hold
        self.got = {}

    def on_arrival(self, arrival, ctx):
        if arrival.stage != INPUT:
            self.got[arrival.device] = arrival.value
        return self.settle(ctx)

    def on_timer(self, token, ctx):
        return self.settle(ctx)

    def on_peer(self, device, alive, ctx):
        return self.settle(ctx)

    def settle(self, ctx):
        if not self.got or any(ctx.alive(d) for d in self.devices - self.got.keys()):
            return []
        if self.hold(self.rows[0]):
            return [Timer(20 * MS, "again")]
        labels = tuple(int(x) for x in np.argmax(sum(self.got.values()), axis=1))
        return [Answer(self.rows, labels, degraded=len(self.got) < len(self.devices))]


def make_scenario(
    bind: str,
    *,
    curve: bool = False,
    requests: int = 20,
    faults: tuple[Any, ...] = (),
    module: ModuleRef = IDENTITY,
    hold: Callable[[int], bool] = lambda request: False,
    join_s: float = 100.0,
    kernels: str = "native",
) -> Scenario:
    names = ("a", "b")
    stages = tuple(Stage(f"s-{n}", module, (Need(INPUT),), (16,), macs=20_000) for n in names)
    numbers = tuple(range(requests))
    return Scenario(
        deployment=Deployment(
            stages,
            tuple(Replica(s.id, n) for s, n in zip(stages, names, strict=True)),
            lambda job: WaitForAll(job, names, hold),
        ),
        cluster=Cluster(
            devices=tuple(Device(name=n, macs_per_s=1e7) for n in names),
            links={"*": Link(up_bps=1e7, down_bps=1e7, latency_ms=1)},
            heartbeat_timeout_ms=1000,
            boards=Boards(bind, curve=curve, join_s=join_s),
        ),
        load=Load(
            np.random.default_rng(0).normal(size=(requests, 16)).astype(np.float32),
            numbers,
            numbers,
            None,
            600_000 * MS,  # Longer than boards take to start on a busy machine.
        ),
        faults=faults,
        encoding="int8",
        backend=backend.load(kernels),
        costs=load_cost_table(),
        seed=1,
    )


@pytest.fixture(scope="session")
def scenario_on() -> Callable[..., Scenario]:
    return make_scenario


def find_address() -> str:
    """An address of the loopback interface that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def make_keys(folder: Path) -> dict[str, Path]:
    """Keys of the host and of two boards that trust each other, and of one that nobody does."""
    found = {name: folder / name for name in ("host", "a", "b", "stranger")}
    public = {name: KeyFolder(path).new(name) for name, path in found.items()}
    for name in ("a", "b"):
        KeyFolder(found["host"]).allow(name, str(public[name]))
    for name in ("a", "b", "stranger"):
        KeyFolder(found[name]).allow("host", str(public["host"]))
    return found


@pytest.fixture
def bind() -> str:
    return find_address()


@pytest.fixture(scope="session")
def free_address() -> Callable[[], str]:
    return find_address


@pytest.fixture(scope="session")
def key_folders() -> Callable[[Path], dict[str, Path]]:
    return make_keys


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    found = make_keys(tmp_path)
    monkeypatch.setenv("COINFER_KEYS", str(found["host"]))
    return found


class Started:
    """Boards that were started, each with a file of what it said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(
        self,
        name: str,
        bind: str,
        *more: str,
        env: dict[str, str] | None = None,
        within: tuple[str, ...] = (),
    ) -> subprocess.Popen[bytes]:
        device = [sys.executable, "-m", "coinfer", "device"]
        command = [*within, *device, "--connect", bind, "--name", name]
        log = (self._folder / f"{name}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [*command, "--builders", "torch.nn", *more],
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
        )
        self.processes.append(process)
        return process

    def said(self) -> str:
        """What all of them have said."""
        return "\n".join(p.read_text() for p in sorted(self._folder.glob("*.log")))


@contextmanager
def starting(folder: Path) -> Iterator[Started]:
    """Starts boards; leaves none behind."""
    started = Started(folder)
    try:
        yield started
    finally:
        for process in started.processes:
            process.terminate()
        end = time.monotonic() + 30
        for process in started.processes:
            try:
                process.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def started_in() -> Callable[[Path], AbstractContextManager[Started]]:
    return starting


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    with starting(tmp_path) as started:
        yield started
