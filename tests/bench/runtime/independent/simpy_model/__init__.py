"""A second emulator, in SimPy, that knows docs/emulation.md and nothing of the runtime.

It runs a scenario (deployment, cluster, load, faults) with the scenario's own fusion rules, one
request a job, and tells when every request was answered, how long everybody computed, and when
which device was believed lost. Shared with the runtime are the keyed draws, as both need the same
luck, and the cost table. Values do not travel: rules of these tests look at none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import simpy

from coinfer.runtime.scenario import Scenario
from simpy_model.devices import Devices
from simpy_model.faults import Faults
from simpy_model.links import Links
from simpy_model.source import Source
from simpy_model.values import Device, Open, Window, ns_of


class Model(Links, Devices, Source, Faults):
    def __init__(self, scenario: Scenario) -> None:
        self.env = simpy.Environment()
        self.scenario, self.cluster = scenario, scenario.cluster
        self.stages = {s.id: s for s in scenario.deployment.stages}
        self.source_macs_per_s = self.cluster.source_macs_per_s
        self.devices = {d.name: self._device(d.name) for d in self.cluster.devices}
        shared = simpy.Resource(self.env) if self.cluster.medium == "shared" else None
        self.channels = {
            (name, way): shared or simpy.Resource(self.env)
            for name in self.devices
            for way in ("up", "down")
        }
        self.routes = {name: simpy.Resource(self.env) for name in self.cluster.routes}
        self.windows: list[Window] = []
        self.thoughts = simpy.Store(self.env)
        self.source_busy_ns = 0
        self.open: dict[int, Open] = {}
        self.answers: dict[int, tuple[str, int, int | None]] = {}
        self.intended_ns: dict[int, int] = {}
        self.believed_lost: set[tuple[str, int]] = set()
        self.over = self.env.event()

    def run(self) -> None:
        for event in self.scenario.faults:
            if event.at_ns is not None:
                self.env.process(self.fault(event, event.at_ns))
        self.env.process(self.think())
        for device in self.devices.values():
            self.env.process(self.beat(device))
        times = self.scenario.load.arrivals_ns
        if times is None:
            self.next_query()
        for request, at_ns in enumerate(times or ()):
            self.after(at_ns, self.arrive, request)
        self.env.run(until=self.over)
        # What is under way comes to its end.
        self.env.run(until=self.env.now + 2_000_000_000)

    def after(self, delay_ns: int, call: Callable[..., None], *args: Any) -> None:
        def process() -> Iterator[Any]:
            yield self.env.timeout(delay_ns)
            call(*args)

        self.env.process(process())

    def kernel_ns(self, operation: str, elements: int, macs_per_s: float) -> int:
        macs = self.scenario.costs.macs(self.scenario.backend.name, operation, elements)
        return ns_of(macs, macs_per_s)

    def _device(self, name: str) -> Device:
        here = {r.stage: r for r in self.scenario.deployment.replicas if r.device == name}
        stages = [s for s in self.scenario.deployment.stages if s.id in here]
        return Device(name, self.cluster.device(name).macs_per_s, stages, here)
