"""The virtual driver: one heap of events, integer nanoseconds, no clock.

Events are ordered by (time, kind, actor, sequence), so a run depends on its inputs alone.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

import msgspec

from coinfer.cluster import Cluster, FaultEvent
from coinfer.cluster.cost_table import CostTable
from coinfer.contract import SOURCE, Deployment
from coinfer.runtime.context import Reactor, Work
from coinfer.runtime.device import DeviceReactor
from coinfer.runtime.hub import HubReactor
from coinfer.runtime.job import Load
from coinfer.runtime.meter import Meter
from coinfer.runtime.record import Outcome
from coinfer.runtime.runner import Runner
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.topology import Topology
from coinfer.runtime.trace import Trace
from coinfer.runtime.wire import Envelope
from coinfer_kernels.backend import Backend

HUB: Final = "hub"
_SOURCE_PLACE, _HUB_PLACE = range(2)
YOUNG_OBJECTS: Final = 50_000
"""New objects after which a run looks for garbage."""

_FAULT, _PEER, _MESSAGE, _DONE, _TIMER = range(5)
_KINDS: Final = ("fault", "peer", "message", "done", "timer")


class Scenario(NamedTuple):
    """Everything that one run depends on.

    Attributes
    ----------
    deployment : Deployment
    cluster : Cluster
    load : Load
    faults : tuple of FaultEvent
    encoding : str
    backend : Backend
        The kernels under test.
    costs : CostTable
    seed : int
    """

    deployment: Deployment
    cluster: Cluster
    load: Load
    faults: tuple[FaultEvent, ...]
    encoding: str
    backend: Backend
    costs: CostTable
    seed: int


class _Done(msgspec.Struct, gc=False):
    value: Any
    started_ns: int
    ended_ns: int
    meter: Meter


class _Context:
    """Services of the driver for one actor."""

    __slots__ = ("_driver", "_macs_per_s", "_place", "busy_ns")

    def __init__(self, driver: VirtualDriver, place: int, macs_per_s: float) -> None:
        self._driver = driver
        self._place = place
        self._macs_per_s = macs_per_s
        self.busy_ns = 0

    @property
    def now_ns(self) -> int:
        """Time of the event being handled."""
        return self._driver.now_ns

    def compute(self, work: Work) -> None:
        """Run `work` at once; its end comes when the modelled cost is over."""
        scenario = self._driver.scenario
        meter = Meter(scenario.backend, scenario.costs, self._macs_per_s)
        start = self._driver.now_ns
        value = work(meter)
        spent = meter.total_ns
        end = start + spent
        self.busy_ns += spent
        self._driver.push(end, _DONE, self._place, _Done(value, start, end, meter))

    def send(self, envelope: Envelope) -> None:
        """To the hub, or, from the hub, to the receiver."""
        driver = self._driver
        place = driver.places[envelope.to] if self._place == _HUB_PLACE else _HUB_PLACE
        driver.push(driver.now_ns, _MESSAGE, place, envelope)

    def set_timer(self, due_ns: int, token: Any) -> int:
        """Ask for a timer event."""
        driver = self._driver
        return driver.push(max(due_ns, driver.now_ns), _TIMER, self._place, token)

    def cancel_timer(self, timer: int) -> None:
        """Forget a timer event."""
        self._driver.cancelled.add(timer)


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
        self._sequence = 0
        self._trace = Trace()
        self._report = on_request
        self._dead: set[str] = set()
        self._landed: list[dict[str, Any]] = []
        cluster = scenario.cluster
        devices = tuple(d.name for d in cluster.devices)
        self._names: Sequence[str] = (SOURCE, HUB, *devices)
        self.places = {name: place for place, name in enumerate(self._names)}
        topology = Topology(scenario.deployment, devices)
        self._contexts = {
            name: _Context(self, self.places[name], speed)
            for name, speed in [
                (SOURCE, cluster.source_macs_per_s),
                (HUB, 1.0),
                *((device.name, device.macs_per_s) for device in cluster.devices),
            ]
        }
        self._source = SourceReactor(
            topology,
            scenario.load,
            scenario.encoding,
            runner,
            self._contexts[SOURCE],
            self._request_started,
        )
        self._devices = {
            name: DeviceReactor(name, topology, scenario.encoding, runner, self._contexts[name])
            for name in devices
        }
        self._actors: Sequence[Reactor] = (
            self._source,
            HubReactor(cluster, scenario.seed, self._contexts[HUB]),
            *self._devices.values(),
        )

    def run(self) -> Outcome:
        """Handle every event; the run is over when none is left."""
        for fault in self.scenario.faults:
            if fault.at_ns is not None:
                self.push(fault.at_ns, _FAULT, self.places[fault.target], fault)
        self._source.begin()
        with _rare_collection():
            self._handle_all()
        return self._outcome()

    def _handle_all(self) -> None:
        while self._heap:
            at_ns, kind, place, sequence, payload = heappop(self._heap)
            if sequence in self.cancelled:
                self.cancelled.discard(sequence)
                continue
            name = self._names[place]
            if name in self._dead and kind != _PEER:
                continue
            self.now_ns = at_ns
            self._trace.event(at_ns, _KINDS[kind], name, payload)
            actor = self._actors[place]
            if kind == _MESSAGE:
                actor.on_message(payload)
            elif kind == _TIMER:
                actor.on_timer(payload)
            elif kind == _DONE:
                actor.on_done(payload)
            elif kind == _PEER:
                self._notice(*payload)
            else:
                self._crash(payload.target)

    def _outcome(self) -> Outcome:
        for name, device in self._devices.items():
            if name not in self._dead:
                self._source.ledger.absorb(device.spent)
        records = self._source.ledger.records()
        for record in records:
            self._trace.end(repr(record))
        return Outcome(
            records=records,
            duration_ns=self._source.settled_ns,
            busy_ns={n: c.busy_ns for n, c in self._contexts.items() if n != HUB},
            trace_sha256=self._trace.hexdigest(),
            faults=tuple(self._landed),
            stale_messages=sum(d.stale_messages for d in self._devices.values()),
            warnings=self._warnings(),
        )

    def push(self, at_ns: int, kind: int, place: int, payload: Any) -> int:
        """Add an event; returns its number."""
        self._sequence += 1
        heappush(self._heap, (at_ns, kind, place, self._sequence, payload))
        return self._sequence

    def _request_started(self, request: int) -> None:
        for fault in self.scenario.faults:
            if fault.on_request == request:
                self.push(self.now_ns, _FAULT, self.places[fault.target], fault)
        self._report(request)

    def _crash(self, device: str) -> None:
        """A device falls silent; the source notices when its next heartbeats have not come."""
        cluster = self.scenario.cluster
        self._dead.add(device)
        beat_ns = round(cluster.heartbeat_ms * 1e6)
        last_ns = self.now_ns // beat_ns * beat_ns
        due_ns = last_ns + round(cluster.heartbeat_timeout_ms * 1e6)
        self.push(max(due_ns, self.now_ns), _PEER, _SOURCE_PLACE, (device, self.now_ns))

    def _notice(self, device: str, injected_ns: int) -> None:
        self._source.on_peer(device, alive=False)
        self._landed.append(
            {
                "kind": "crash",
                "target": device,
                "injected_ns": injected_ns,
                "detected_ns": self.now_ns,
                "landed": True,
            }
        )

    def _warnings(self) -> tuple[str, ...]:
        missed = len(self.scenario.faults) - len(self._landed)
        return (f"{missed} fault(s) never landed: the run was over first",) if missed else ()
