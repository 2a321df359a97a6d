"""The devices of a virtual run, each in its latest life, and what their lifecycle does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from coinfer.runtime.device import DeviceReactor
from coinfer.runtime.events import DONE, FAULT, MESSAGE, PEER, TIMER, End, Event
from coinfer.runtime.memory import OutOfMemoryError
from coinfer.runtime.runner import Runner
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import shipped

if TYPE_CHECKING:
    from coinfer.runtime.virtual import VirtualDriver

KEEP_DEADLINES: Final = 2
"""A device forgets a job so many deadlines after the last message of it."""


class Devices:
    """Makes devices, buries them, and puts fresh ones in their places.

    Parameters
    ----------
    driver : VirtualDriver
    topology : Topology
    runner : Runner

    Attributes
    ----------
    now : dict of str to DeviceReactor
        The latest life of each device.
    former : list of DeviceReactor
    """

    def __init__(self, driver: VirtualDriver, topology: Topology, runner: Runner) -> None:
        self._driver = driver
        self._topology = topology
        self._runner = runner
        self.now = {name: self._made(name) for name in topology.devices}
        self.former: list[DeviceReactor] = []

    def count(self, what: str) -> int:
        """Sum of a count over all lives of all devices."""
        return sum(getattr(device, what) for device in (*self.now.values(), *self.former))

    @property
    def now_ns(self) -> int:
        """Time of the event being handled."""
        return self._driver.now_ns

    @property
    def pushed(self) -> int:
        """Number of the last event that was added."""
        return self._driver.pushed

    def later(self, at_ns: int, device: str, what: FaultEvent | End) -> None:
        """Come back to a device."""
        self._driver.push(at_ns, FAULT, self._driver.places[device], what)

    def look(self, at_ns: int, device: str) -> None:
        """Have the source look for signs of life."""
        self._driver.push(at_ns, PEER, self._driver.places[SOURCE], device)

    def ship(self, device: str, birth: int) -> None:
        """Send a device all its stages."""
        weights_bytes = self._topology.weights_bytes(device)
        stages = shipped(device, birth, 1, weights_bytes, self._driver.now_ns)
        self._driver.contexts[SOURCE].send(stages)

    def bear(self, device: str) -> None:
        """Put a fresh device in the place of the one that was lost."""
        self.former.append(self.now[device])
        self.now[device] = self._made(device)
        self._driver.actors[self._driver.places[device]] = self.now[device]

    def take(self, device: str, event: Event) -> None:
        """Handle an event that had to wait."""
        driver, actor, payload = self._driver, self.now[device], event.payload
        if event.sequence in driver.cancelled:
            driver.cancelled.discard(event.sequence)
            return
        driver.trace.events.append(event._replace(at_ns=driver.now_ns))
        try:
            if event.kind == MESSAGE:
                actor.on_message(payload.later(queue=driver.now_ns - event.at_ns))
            elif event.kind == TIMER:
                actor.on_timer(payload)
            elif event.kind == DONE:
                payload.ended_ns = driver.now_ns
                actor.on_done(payload)
        except OutOfMemoryError:
            driver.lifecycle.overflow(device)

    def _made(self, name: str) -> DeviceReactor:
        scenario = self._driver.scenario
        return DeviceReactor(
            name,
            self._topology,
            scenario.encoding,
            self._runner,
            self._driver.contexts[name],
            scenario.cluster.device(name).memory_bytes,
            KEEP_DEADLINES * scenario.load.deadline_ns,
            self._driver.timeline,
        )
