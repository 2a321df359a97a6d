"""Processes of a run whose parent is killed: none outlives it, not even one that is stopped."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import psutil
import pytest

pytestmark = pytest.mark.alone

SCRIPT = textwrap.dedent(
    """
    import numpy as np
    from coinfer.cluster import Cluster, Device, FaultEvent, Link
    from coinfer.cluster.cost_table import load_cost_table
    from coinfer.contract import INPUT, Deployment, ModuleRef, Need, Replica, Stage
    from coinfer.methods.local_teacher import OneAnswer
    from coinfer.runtime.job import Load
    from coinfer.runtime.realtime import RealtimeDriver
    from coinfer.runtime.scenario import Scenario
    from coinfer.training.modules import build
    from coinfer_kernels import backend

    MS = 1_000_000
    stage = Stage("s", ModuleRef("torch.nn:Identity"), (Need(INPUT),), (4,), macs=1000)
    devices = tuple(Device(name=f"d{i}", macs_per_s=1e6) for i in range(3))
    faults = (
        FaultEvent("pause", "d0", 0, None, duration_ns=100_000 * MS),
        FaultEvent("crash", "d1", 0, None),
        FaultEvent("rejoin", "d1", 2000 * MS, None),
        FaultEvent("crash", "d1", 90_000 * MS, None),
        FaultEvent("rejoin", "d1", 90_001 * MS, None),
    )
    if __name__ == "__main__":
        scenario = Scenario(
            Deployment((stage,), (Replica("s", "d0"),), lambda job: OneAnswer(job, "d2")),
            Cluster(devices=devices, links={"*": Link(1e6)}),
            Load(np.zeros((1, 4), np.float32), (0,), (0,), None, 100_000 * MS),
            faults, "raw", backend.load("reference"), load_cost_table(), 0,
        )
        RealtimeDriver(
            scenario, build, dilated=True, on_request=lambda _: print("begun", flush=True)
        ).run()
    """
)


def test_kill_9_of_the_parent_leaves_no_process_behind(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    run = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
        first = psutil.Process(run.pid).children(recursive=True)
        # When d1 comes back, the process of its life after that is begun.
        wait_until(lambda: set(psutil.Process(run.pid).children(recursive=True)) - set(first))
        family = psutil.Process(run.pid).children(recursive=True)
        assert [p for p in family if p.status() == psutil.STATUS_STOPPED]
    finally:
        run.kill()
        run.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def wait_until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
