"""What runs in the processes of a real-time run: one life of a device each, and the hub."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Final

import msgspec
import numpy as np

from coinfer.cluster import FaultEvent
from coinfer.contract import INPUT, SOURCE, Need, Stage, gate_of
from coinfer.runtime.device import DeviceReactor
from coinfer.runtime.hub import HubReactor
from coinfer.runtime.memory import OutOfMemoryError
from coinfer.runtime.realtime import threads
from coinfer.runtime.realtime.centre import Centre
from coinfer.runtime.realtime.device_loop import DeviceLoop
from coinfer.runtime.realtime.link_loop import LinkLoop
from coinfer.runtime.realtime.liveness import Pulse
from coinfer.runtime.realtime.loop import die_with_parent, sharpen_timers
from coinfer.runtime.realtime.packets import HUB, System, address
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import RouterPort
from coinfer.runtime.runner import Runner, Value
from coinfer.runtime.timeline import Timeline
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Envelope

READY_EVERY_S: Final = 0.2

LAST_WORD_S: Final = 0.05
"""The I/O thread has to get the last message out before the context goes."""

OVERFLOW_EXIT: Final = 3
"""Exit code of a device that has run out of memory."""

WARM_UPS: Final = 3
"""Times that each stage is run before the start: caches, and the real cost for the density."""


def run_device(
    setup: Setup, name: str, birth: int, cpu: int | None, zero_ns: int | None = None
) -> None:
    """Be one life of a device until told to finish.

    A first one begins with the run; one that comes back, when its stages arrive.
    """
    _settle_in(cpu)
    import torch

    torch.set_num_threads(1)
    port = setup.dial(address(name, birth))
    loop = DeviceLoop(port, setup, name, birth)
    topology = setup.topology()
    runner = Runner(setup.build, memo=False)
    memory_bytes = setup.cluster.device(name).memory_bytes
    timeline = Timeline.of(setup.timeline, birth)
    reactor = loop.reactor = DeviceReactor(
        name, topology, setup.encoding, runner, loop, memory_bytes, setup.keep_ns, timeline
    )
    started = finishing = False

    def account() -> dict[str, Any]:
        return {
            "busy_ns": loop.busy_ns,
            "events": loop.events,
            "overruns": loop.overruns,
            "stale": reactor.stale_messages + loop.stale,
            "corrupt": reactor.corrupt_messages,
            "foreign": loop.foreign,
            "deferred": loop.deferred,
        }

    pulse = Pulse(setup, name, birth, account)

    def start(zero_ns: int) -> None:
        nonlocal started
        loop.set_zero(zero_ns)
        started = True
        if not birth:
            pulse.begin(zero_ns)

    def on_system(packet: System) -> None:
        nonlocal finishing
        if packet.kind == "go":
            start(loop.zero_of(packet.info))
        elif packet.kind == "slow":
            fault = msgspec.convert(packet.info["fault"], FaultEvent)
            loop.slow_down(fault, packet.info["at_ns"])
        elif packet.kind == "finish":
            finishing = True

    def on_stages(envelope: Envelope) -> None:
        pulse.begin(loop.zero_ns)
        loop.say("hello", stages=envelope.body)

    loop.on_system = on_system
    loop.on_stages = on_stages
    before = threads.used_ns()
    real_ns, modelled_ns = _warm_up(setup, topology, runner, name)
    ready = {"real_ns": real_ns, "modelled_ns": modelled_ns, **threads.account(before)}
    loop.say("ready", **ready)
    if zero_ns is not None:
        start(zero_ns)
    while not started:
        again = time.monotonic() + READY_EVERY_S
        loop.run(lambda: started or time.monotonic() > again)  # noqa: B023
        # Said again and again: the source may dial in later than we do, and a router drops what
        # it cannot deliver yet.
        loop.say("ready", **ready)

    def stop() -> bool:
        # Said all along: who is killed makes no report.
        if timeline is not None and not loop.computing and (spans := timeline.take()):
            loop.say("spans", spans=spans)
        return finishing and not loop.computing

    try:
        loop.run(stop)
    except OutOfMemoryError:
        loop.say("overflow")
        time.sleep(LAST_WORD_S)
        os._exit(OVERFLOW_EXIT)
    spent = {str(row): list(amounts) for row, amounts in reactor.spent.items()}
    loop.say("report", spent=spent, **account())
    pulse.end()
    time.sleep(LAST_WORD_S)
    port.close()


def run_hub(setup: Setup) -> None:
    """Be the hub until told to finish: links, liveness, and the way of every packet."""
    _settle_in(None)
    port = RouterPort(setup.endpoint, setup.gate())
    centre = Centre(port, setup.run, setup.cluster)
    loop = LinkLoop(port, setup, centre)
    timeline = Timeline.of(setup.timeline)
    loop.reactor = centre.hub = HubReactor(setup.cluster, setup.seed, loop, timeline)
    started = finishing = False

    def on_system(packet: System) -> None:
        nonlocal started, finishing
        if packet.kind == "beat":
            centre.heard(packet, loop.now_ns)
        elif packet.kind in ("life", "impair"):
            centre.obey(packet, loop.now_ns)
        elif packet.kind in ("go", "slow", "finish") and packet.name != HUB:
            port.send(packet.name, packet)
        elif packet.kind == "go":
            loop.set_zero(packet.info["zero_ns"])
            started = True
        elif packet.kind == "finish":
            finishing = True
        else:
            if packet.kind == "report":
                centre.watch.forget(packet.name)
            port.send(SOURCE, packet)

    def stop() -> bool:
        for name, alive in centre.watch.news(loop.clock_ns()) if started else ():
            loop.system(SOURCE, "alive" if alive else "lost", name)
        return finishing

    loop.on_system = on_system
    loop.run(stop)
    counts = {"events": loop.events, "overruns": loop.overruns, "foreign": loop.foreign}
    if timeline is not None:
        loop.system(SOURCE, "spans", HUB, spans=timeline.spans())
    loop.system(SOURCE, "report", HUB, **centre.report(), **counts)
    time.sleep(LAST_WORD_S)
    port.close()


def _settle_in(cpu: int | None) -> None:
    die_with_parent()
    sharpen_timers()
    # Ctrl-C reaches the whole group; the parent alone decides how the run ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def _warm_up(setup: Setup, topology: Topology, runner: Runner, name: str) -> tuple[int, int]:
    """Build and run every stage of a device; returns real and modelled time of one row."""
    real_ns, meter = 0, setup.meter(name)()
    for stage_id in topology.on[name]:
        stage = topology.stages[stage_id]
        inputs = [_zeros(setup, topology, need) for need in stage.needs if gate_of(need) is None]
        best = _time_stage(runner, stage, inputs)
        real_ns += best
        meter.stage(stage, 1, lambda: None)
    return real_ns, meter.total_ns


def _time_stage(runner: Runner, stage: Stage, inputs: list[Value]) -> int:
    times = []
    for _ in range(WARM_UPS):
        # Of the processor: what others on the machine take is not this device's.
        begin = time.process_time_ns()
        runner.run(stage, inputs)
        times.append(time.process_time_ns() - begin)
    return min(times)


def _zeros(setup: Setup, topology: Topology, need: Need) -> Value:
    row = setup.input_shape if need.stage == INPUT else topology.stages[need.stage].output
    return Value(np.zeros((1, *row), np.float32)).take(need.select)
