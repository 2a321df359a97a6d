"""Bytes that nobody in the run sends change nothing, and each of them is counted."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path as File

import numpy as np
import pytest

from coinfer.cluster import Cluster, Device, Link
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, Answer, Deployment, ModuleRef, Need, Replica, Stage, Timer
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.scenario import Scenario
from coinfer.training.modules import build
from coinfer_kernels import backend

pytestmark = pytest.mark.alone

MS = 1_000_000
TOKEN = 0x3A5B_0000_1234_5678
MESSAGES = 100_000
REQUESTS = 30
IDENTITY = ModuleRef("torch.nn:Identity")


class Patient:
    """Answers when all have sent; the last request waits until the attack is over."""

    def __init__(self, job, over):
        self.rows = job.rows
        self.got = {}
        self.over = over

    def on_arrival(self, arrival, ctx):
        if arrival.stage != INPUT:
            self.got[arrival.stage] = arrival.value
        return self.on_timer("", ctx)

    def on_timer(self, token, ctx):
        if len(self.got) < 2:
            return []
        if self.rows[-1] == REQUESTS - 1 and not self.over():
            return [Timer(50 * MS, "again")]
        label = int(np.argmax(self.got["s0"] + self.got["s1"]))
        return [Answer(self.rows, (label,))]

    def on_peer(self, device, alive, ctx):
        return []


def run(dilated, over=lambda: True, on_request=lambda n: None):
    names = ["d0", "d1"]
    stages = tuple(Stage(f"s{i}", IDENTITY, (Need(INPUT),), (16,), macs=20_000) for i in range(2))
    replicas = tuple(Replica(s.id, d) for s, d in zip(stages, names, strict=True))
    images = np.random.default_rng(0).normal(size=(REQUESTS, 16)).astype(np.float32)
    numbers = tuple(range(REQUESTS))
    scenario = Scenario(
        deployment=Deployment(stages, replicas, lambda job: Patient(job, over)),
        cluster=Cluster(
            devices=tuple(Device(name=n, macs_per_s=1e6) for n in names),
            links={"*": Link(up_bps=1e7, down_bps=1e7, latency_ms=5)},
            source_macs_per_s=1e8,
            heartbeat_timeout_ms=60_000,
        ),
        load=Load(images, numbers, numbers, None, 100_000 * MS),
        faults=(),
        encoding="int8",
        backend=backend.load("native"),
        costs=load_cost_table(),
        seed=1,
    )
    return RealtimeDriver(scenario, build, dilated=dilated, on_request=on_request).run()


@pytest.mark.slow
@pytest.mark.parametrize("dilated", [True, False], ids=["realtime", "native"])
def test_a_hundred_thousand_hostile_messages_change_nothing(dilated, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        make = tempfile.mkdtemp

        def mkdtemp(prefix=None, **more):
            return make(prefix=prefix, dir=folder) if prefix == "coinfer-" else make(prefix=prefix)

        monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
        monkeypatch.setattr("secrets.randbits", lambda bits: TOKEN)
        attackers = []

        def attack(request):
            if request == 0:
                (socket,) = File(folder).glob("coinfer-*/hub")
                assert socket.parent.stat().st_mode & 0o777 == 0o700
                script = File(__file__).with_name("hostile.py")
                what = [f"ipc://{socket}", str(TOKEN), str(MESSAGES), "1"]
                command = [sys.executable, str(script), *what]
                attackers.append(subprocess.Popen(command, stdout=subprocess.PIPE))

        attacked = run(dilated, lambda: attackers[0].poll() is not None, attack)
        (attacker,) = attackers
        said = json.loads(attacker.communicate()[0])
        quiet = run(dilated)
    assert attacker.returncode == 0
    assert said["sent"] == MESSAGES
    assert said["shut_out"] > 0
    assert attacked.foreign_messages == MESSAGES
    assert quiet.foreign_messages == 0
    assert {r.status for r in quiet.records} == {"ok"}
    for name in ("prediction", "status", "macs", "messages", "bytes_up", "bytes_down", "exit"):
        expected = [getattr(r, name) for r in quiet.records]
        assert [getattr(r, name) for r in attacked.records] == expected, name
    for count in ("lost_messages", "stale_messages", "corrupt_messages", "warnings"):
        assert getattr(attacked, count) == getattr(quiet, count), count
