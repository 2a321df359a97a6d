"""What runs in the processes of a real-time run: one device each, and the hub."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from coinfer.cluster import Cluster
from coinfer.cluster.cost_table import CostTable
from coinfer.contract import INPUT, SOURCE, Deployment, Need, Stage, gate_of
from coinfer.runtime.device import DeviceReactor
from coinfer.runtime.hub import HubReactor
from coinfer.runtime.meter import Meter
from coinfer.runtime.realtime.loop import LinkLoop, Loop, die_with_parent, sharpen_timers
from coinfer.runtime.realtime.transport import DealerPort, Packet, RouterPort, System
from coinfer.runtime.runner import Build, Runner, Value
from coinfer.runtime.topology import Topology
from coinfer_kernels import backend

BEAT_SUFFIX = "/beat"
"""Heartbeats come from a thread and a socket of their own, so that they go on during compute."""

READY_EVERY_S = 0.2

WARM_UPS = 3
"""Times that each stage is run before the start: caches, and the real cost for the density."""


class Setup(NamedTuple):
    """What every process of a run is told at its start; picklable.

    Attributes
    ----------
    run : int
    endpoint : str
    cluster : Cluster
    seed : int
    dilated : bool
    stages, replicas : tuple
        Of the deployment; the fusion rule stays with the source.
    input_shape : tuple of int
        Shape of one input row.
    encoding, kernels : str
    costs : CostTable
    build : callable
    """

    run: int
    endpoint: str
    cluster: Cluster
    seed: int
    dilated: bool
    stages: tuple[Any, ...]
    replicas: tuple[Any, ...]
    input_shape: tuple[int, ...]
    encoding: str
    kernels: str
    costs: CostTable
    build: Build

    def topology(self) -> Topology:
        """Topology as the devices need it."""
        deployment = Deployment(self.stages, self.replicas, _no_fusion)
        return Topology.of(deployment, self.cluster, modelled=self.dilated)

    def meter(self, device: str) -> Callable[[], Meter]:
        """Maker of meters for a device."""
        speed = self.cluster.device(device).macs_per_s if self.dilated else None
        loaded = backend.load(self.kernels)
        return lambda: Meter(loaded, self.costs, speed)


def _no_fusion(_: Any) -> Any:
    raise AssertionError("only the source has a fusion rule")


def run_device(setup: Setup, name: str, cpu: int | None) -> None:
    """Be a device until told to finish."""
    _settle_in(cpu)
    import torch

    torch.set_num_threads(1)
    port = DealerPort(setup.endpoint, name)
    loop = Loop(port, setup.run, setup.meter(name), dilated=setup.dilated, exact=False)
    topology = setup.topology()
    runner = Runner(setup.build, memo=False)
    reactor = DeviceReactor(name, topology, setup.encoding, runner, loop)
    loop.reactor = reactor
    started = finishing = False

    def on_system(packet: System) -> None:
        nonlocal started, finishing
        if packet.kind == "go":
            loop.set_zero(packet.info["zero_ns"])
            started = True
        elif packet.kind == "finish":
            finishing = True

    loop.on_system = on_system
    stop_beating = threading.Event()
    beat_s = setup.cluster.heartbeat_ms / 1e3
    beater = threading.Thread(target=_beat, args=(setup, name, beat_s, stop_beating), daemon=True)
    beater.start()
    real_ns, modelled_ns = _warm_up(setup, topology, runner, name)
    while not started:
        # Said again and again: the source may dial in later than we do, and a router drops what
        # it cannot deliver yet.
        loop.system("hub", "ready", name, real_ns=real_ns, modelled_ns=modelled_ns)
        again = time.monotonic() + READY_EVERY_S
        loop.run(lambda: started or time.monotonic() > again)  # noqa: B023
    loop.run(lambda: finishing and not loop.computing)
    loop.system(
        "hub",
        "report",
        name,
        spent={str(row): list(amounts) for row, amounts in reactor.spent.items()},
        busy_ns=loop.busy_ns,
        events=loop.events,
        overruns=loop.overruns,
        stale=reactor.stale_messages + loop.foreign + port.dropped,
    )
    stop_beating.set()
    beater.join()
    time.sleep(0.05)  # The I/O thread has to get the report out before the context goes.
    port.close()


def run_hub(setup: Setup) -> None:
    """Be the hub until told to finish: links, liveness, and the way of every packet."""
    _settle_in(None)
    port = RouterPort(setup.endpoint)
    loop = LinkLoop(port, setup.run, setup.meter(SOURCE), dilated=True, exact=False)
    hub = loop.reactor = HubReactor(setup.cluster, setup.seed, loop)
    watch = Liveness(setup.cluster)
    finishing = False

    def on_system(packet: System) -> None:
        nonlocal finishing
        name = packet.name.removesuffix(BEAT_SUFFIX)
        watch.heard(name, time.monotonic_ns())
        if packet.kind == "go":
            loop.set_zero(packet.info["zero_ns"])
        if packet.kind in ("go", "finish"):
            for device in setup.cluster.devices:
                port.send(device.name, packet)
            if packet.kind == "finish" and packet.name == "hub":
                finishing = True
                loop.system(
                    SOURCE,
                    "report",
                    "hub",
                    events=loop.events,
                    overruns=loop.overruns,
                    stale=loop.foreign + port.dropped,
                    lost=hub.lost_messages,
                    losses=hub.losses,
                )
        elif packet.kind in ("ready", "report"):
            if packet.kind == "report":
                watch.forget(name)
            port.send(SOURCE, packet)

    def stop() -> bool:
        for name in watch.lost(time.monotonic_ns()):
            loop.system(SOURCE, "lost", name)
        return finishing

    loop.on_system = on_system
    loop.run(stop)
    time.sleep(0.05)
    port.close()


class Liveness:
    """Who was last heard when; a device that is silent for too long is lost, once."""

    def __init__(self, cluster: Cluster) -> None:
        self._timeout_ns = round(cluster.heartbeat_timeout_ms * 1e6)
        self._heard_ns: dict[str, int] = {}

    def heard(self, name: str, now_ns: int) -> None:
        """Note a sign of life."""
        if name != SOURCE:
            self._heard_ns[name] = now_ns

    def forget(self, name: str) -> None:
        """Stop watching a device that has said goodbye."""
        self._heard_ns.pop(name, None)

    def lost(self, now_ns: int) -> list[str]:
        """Devices that have just been given up."""
        late = [n for n, at in self._heard_ns.items() if now_ns - at > self._timeout_ns]
        for name in late:
            del self._heard_ns[name]
        return late


def _settle_in(cpu: int | None) -> None:
    die_with_parent()
    sharpen_timers()
    # Ctrl-C reaches the whole group; the parent alone decides how the run ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def _beat(setup: Setup, name: str, every_s: float, stop: threading.Event) -> None:
    port = DealerPort(setup.endpoint, name + BEAT_SUFFIX)
    packet: Packet = System(setup.run, "beat", name)
    while not stop.wait(every_s):
        port.send("hub", packet)
    port.close()


def _warm_up(setup: Setup, topology: Topology, runner: Runner, name: str) -> tuple[int, int]:
    """Build and run every stage of a device; returns real and modelled time of one row."""
    speed = setup.cluster.device(name).macs_per_s
    real_ns, macs = 0, 0
    for stage_id in topology.on[name]:
        stage = topology.stages[stage_id]
        inputs = [_zeros(setup, topology, need) for need in stage.needs if gate_of(need) is None]
        best = _time_stage(runner, stage, inputs)
        real_ns += best
        macs += stage.macs
    return real_ns, round(macs * 1e9 / speed)


def _time_stage(runner: Runner, stage: Stage, inputs: list[Value]) -> int:
    times = []
    for _ in range(WARM_UPS):
        begin = time.perf_counter_ns()
        runner.run(stage, inputs)
        times.append(time.perf_counter_ns() - begin)
    return min(times)


def _zeros(setup: Setup, topology: Topology, need: Need) -> Value:
    row = setup.input_shape if need.stage == INPUT else topology.stages[need.stage].output
    return Value(np.zeros((1, *row), np.float32)).take(need.select)
