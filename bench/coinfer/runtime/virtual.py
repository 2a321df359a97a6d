"""The virtual driver: one heap of events, integer nanoseconds, no clock.

Events are ordered by (time, kind, actor, sequence), so a run depends on its inputs alone.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, Final

import msgspec

from coinfer.cluster import Device
from coinfer.contract import SOURCE
from coinfer.runtime.context import Reactor, Work
from coinfer.runtime.devices import Devices
from coinfer.runtime.events import DONE, FAULT, MESSAGE, PEER, TIMER, End, Event
from coinfer.runtime.fault_log import FaultLog, by_request, numbered
from coinfer.runtime.heartbeats import Heartbeats
from coinfer.runtime.hub import HubReactor
from coinfer.runtime.lifecycle import Lifecycle
from coinfer.runtime.memory import OutOfMemoryError
from coinfer.runtime.meter import Meter
from coinfer.runtime.record import Outcome
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.timeline import Timeline
from coinfer.runtime.topology import Topology
from coinfer.runtime.trace import BLOCK_EVENTS, Trace
from coinfer.runtime.wire import Envelope

HUB: Final = "hub"
_HUB_PLACE: Final = 1
YOUNG_OBJECTS: Final = 50_000
"""New objects after which a run looks for garbage."""


class _Done(msgspec.Struct, gc=False):
    value: Any
    started_ns: int
    ended_ns: int
    meter: Meter


class _Context:
    """Services of the driver for one actor, whose messages go to the hub."""

    __slots__ = ("_device", "_driver", "_place", "busy_ns")

    def __init__(self, driver: VirtualDriver, place: int, device: Device | None) -> None:
        self._driver = driver
        self._place = place
        self._device = device
        self.busy_ns = 0

    now_ns = property(attrgetter("_driver.now_ns"), doc="Time of the event being handled.")

    def compute(self, work: Work) -> None:
        """Run `work` at once; its end comes when the modelled cost is over."""
        driver = self._driver
        meter = Meter(driver.scenario.backend, driver.scenario.costs, self._device)
        start = driver.now_ns
        value = work(meter)
        spent = meter.total_ns
        if driver.lifecycle.touched:
            spent = round(spent * driver.lifecycle.factor(driver.names[self._place]))
        self.busy_ns += spent
        end = start + spent
        driver.push(end, DONE, self._place, _Done(value, start, end, meter))

    def send(self, envelope: Envelope) -> None:
        """Hand an envelope to the hub."""
        self._driver.push(self._driver.now_ns, MESSAGE, _HUB_PLACE, envelope)

    def set_timer(self, due_ns: int, token: Any) -> int:
        """Ask for a timer event."""
        driver = self._driver
        return driver.push(max(due_ns, driver.now_ns), TIMER, self._place, token)

    def cancel_timer(self, timer: int) -> None:
        """Forget a timer event."""
        self._driver.cancelled.add(timer)


class _HubContext(_Context):
    """Those of the hub, whose messages go to their receivers."""

    __slots__ = ()

    def send(self, envelope: Envelope) -> None:
        """Deliver an envelope."""
        driver = self._driver
        driver.push(driver.now_ns, MESSAGE, driver.places[envelope.to], envelope)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Look for garbage rarely: a run makes next to no cycles, and has much under way to look at."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class VirtualDriver:
    """Runs one scenario to its end.

    Parameters
    ----------
    scenario : Scenario
    runner : Runner
        May be shared by runs of the same worker: what it remembers does not depend on them.
    on_request : callable, optional
        Told the number of each request as it starts.
    """

    def __init__(
        self,
        scenario: Scenario,
        runner: Runner,
        on_request: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.scenario = scenario
        self.now_ns = 0
        self.cancelled: set[int] = set()
        self._heap: list[tuple[int, int, int, int, Any]] = []
        self.pushed = 0
        self.timeline = Timeline.of(scenario.timeline)
        self._report = on_request
        cluster = scenario.cluster
        devices = tuple(d.name for d in cluster.devices)
        self.names: Sequence[str] = (SOURCE, HUB, *devices)
        self.trace = Trace(self.names)
        self.places = {name: place for place, name in enumerate(self.names)}
        topology = Topology.of(scenario.deployment, cluster)
        self.contexts = {
            name: _Context(self, self.places[name], cluster.device(name))
            for name in (SOURCE, *devices)
        }
        links = _HubContext(self, _HUB_PLACE, None)
        self._source = SourceReactor(
            topology,
            scenario.load,
            scenario.encoding,
            runner,
            self.contexts[SOURCE],
            self._request_started,
            self.timeline,
        )
        self._hub = HubReactor(cluster, scenario.seed, links, self.timeline)
        self._devices = Devices(self, topology, runner)
        self.actors: list[Reactor] = [self._source, self._hub, *self._devices.now.values()]
        timeout_ns = round(cluster.heartbeat_timeout_ms * 1e6)
        self._faults = numbered(scenario.faults)
        self._log = FaultLog(self._faults, timeout_ns)
        self._hanging = by_request(self._faults)
        beats = Heartbeats(round(cluster.heartbeat_ms * 1e6), timeout_ns)
        self.lifecycle = Lifecycle(
            self._devices, self._log, self._source, beats, self._hub.impairments
        )

    def run(self) -> Outcome:
        """Handle every event; the run is over when none is left."""
        for fault in self._faults:
            if fault.at_ns is not None:
                self.push(fault.at_ns, FAULT, self.places[fault.target], fault)
        self._source.begin()
        with _rare_collection():
            self._handle_all()
        return self._outcome()

    def _handle_all(self) -> None:
        heap, cancelled, actors, names = self._heap, self.cancelled, self.actors, self.names
        touched, admits = self.lifecycle.touched, self.lifecycle.admits
        traced = self.trace.events
        while heap:
            self.now_ns, kind, place, sequence, payload = event = heappop(heap)
            if sequence in cancelled:
                cancelled.discard(sequence)
                continue
            if touched and kind != FAULT:
                name = names[place]
                if name in touched and not admits(name, Event(*event)):
                    continue
            traced.append(event)
            if len(traced) >= BLOCK_EVENTS:
                self.trace.close_block()
            actor = actors[place]
            try:
                if kind == MESSAGE:
                    actor.on_message(payload)
                elif kind == TIMER:
                    actor.on_timer(payload)
                elif kind == DONE:
                    actor.on_done(payload)
                elif kind == PEER:
                    self.lifecycle.look(payload)
                elif isinstance(payload, End):
                    self.lifecycle.end(payload.fault)
                elif not self._source.finished:
                    self.lifecycle.inject(payload)
            except OutOfMemoryError:
                self.lifecycle.overflow(names[place])

    def _outcome(self) -> Outcome:
        source, devices, lifecycle = self._source, self._devices, self.lifecycle
        turnstile = lifecycle.turnstile
        lifecycle.settle()
        for name, device in devices.now.items():
            if lifecycle.up(name):
                source.ledger.absorb(device.spent)
        for loss in self._hub.losses:
            source.ledger.lost(loss)
        records = source.ledger.records()
        return Outcome(
            records=records,
            duration_ns=source.settled_ns,
            busy_ns={name: context.busy_ns for name, context in self.contexts.items()},
            trace_sha256=self.trace.end(records),
            faults=self._log.lines(self.now_ns),
            stale_messages=turnstile.stale_messages + devices.count("stale_messages"),
            lost_messages=turnstile.lost_messages.total() + self._hub.lost_messages,
            corrupt_messages=source.corrupt_messages + devices.count("corrupt_messages"),
            warnings=self._log.warnings(),
            spans=self.timeline.spans() if self.timeline is not None else (),
        )

    def push(self, at_ns: int, kind: int, place: int, payload: Any) -> int:
        """Add an event; returns its number."""
        self.pushed = number = self.pushed + 1
        heappush(self._heap, (at_ns, kind, place, number, payload))
        return number

    def _request_started(self, request: int) -> None:
        for fault in self._hanging.get(request, ()):
            self._devices.later(self.now_ns + fault.after_ns, fault.target, fault)
        self._report(request)
