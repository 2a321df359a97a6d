"""Which devices of a virtual run are up, stopped or on their way back, and what faults make of it.

The driver asks for leave before it hands an event to a device that is not simply up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from coinfer.cluster import FaultEvent
from coinfer.runtime.events import End, Event
from coinfer.runtime.fault_log import DOWN, NO_COMPUTE, NO_MESSAGE, UP, FaultLog
from coinfer.runtime.heartbeats import Heartbeats
from coinfer.runtime.impairments import LINK_KINDS, Impairments, Slowdowns
from coinfer.runtime.wire import Envelope, Shipment

OUT_OF_MEMORY: Final = "out-of-memory"


class World(Protocol):
    """What a lifecycle needs of its driver."""

    @property
    def now_ns(self) -> int:
        """Time of the event being handled."""
        ...

    @property
    def pushed(self) -> int:
        """Number of the last event that was added."""
        ...

    def later(self, at_ns: int, device: str, what: FaultEvent | End) -> None:
        """Come back to a device."""
        ...

    def look(self, at_ns: int, device: str) -> None:
        """Have the source look for signs of life."""
        ...

    def peer(self, device: str, alive: bool) -> None:
        """Tell the source."""
        ...

    def ship(self, device: str, birth: int) -> None:
        """Send a device all its stages."""
        ...

    def bear(self, device: str) -> None:
        """Put a fresh device in the place of the one that was lost, and tell the source."""
        ...

    def take(self, device: str, event: Event) -> None:
        """Handle an event that had to wait."""
        ...


@dataclass(slots=True)
class _State:
    """A device that a fault has touched."""

    up: bool = True
    fallen: int = -1
    """Number of the fault that it went down with."""
    rejoin: int = -1
    """Number of the fault that it is coming back with; -1 where it is not."""
    births: int = 0
    born_ns: int = 0
    born_after: int = 0
    """Number of the last event of its former life."""
    pauses: set[int] = field(default_factory=set)
    waiting: list[Event] = field(default_factory=list)
    slow: Slowdowns = field(default_factory=Slowdowns)


class Lifecycle:
    """Lives of all devices.

    Parameters
    ----------
    world : World
    log : FaultLog
    beats : Heartbeats
    impairments : Impairments
        Of the hub.

    Attributes
    ----------
    touched : dict
        Devices that need leave for every event.
    stale_messages : int
        Messages to a device that were sent before it came back.
    lost_messages : int
        Messages to a device that was down.
    """

    def __init__(
        self, world: World, log: FaultLog, beats: Heartbeats, impairments: Impairments
    ) -> None:
        self._world = world
        self._log = log
        self._beats = beats
        self._impairments = impairments
        self.touched: dict[str, _State] = {}
        self.stale_messages = 0
        self.lost_messages = 0

    def up(self, device: str) -> bool:
        """Whether a device has not gone, or is back."""
        return device not in self.touched or self.touched[device].up

    def factor(self, device: str) -> float:
        """How many times longer a computation of a device takes that starts now."""
        state = self.touched.get(device)
        return 1.0 if state is None else state.slow.factor(self._world.now_ns)

    def admits(self, device: str, event: Event) -> bool:
        """Whether a device may have an event now; keeps what has to wait, counts what is gone."""
        state = self.touched[device]
        envelope = event.payload if isinstance(event.payload, Envelope) else None
        if state.pauses:
            state.waiting.append(event)
            return False
        if envelope is None:
            return state.up and event.sequence > state.born_after
        if isinstance(envelope.body, Shipment):
            self._arrive(device, state, envelope.body)
            return False
        if state.up and envelope.sent_ns >= state.born_ns:
            return True
        if state.up or state.rejoin >= 0:
            self.stale_messages += 1
        else:
            self.lost_messages += 1
            self._log.observe(state.fallen, {"messages_lost": 1})
        return False

    def inject(self, fault: FaultEvent) -> None:
        """Carry a fault out."""
        device, now_ns, number = fault.target, self._world.now_ns, fault.number
        state = self.touched.setdefault(device, _State())
        if fault.kind in LINK_KINDS:
            self._impairments.begin(fault, now_ns)
            self._log.inject(number, now_ns, NO_MESSAGE)
            if fault.kind == "partition":
                self._silence(fault)
        elif fault.kind == "rejoin":
            self._rejoin(state, fault)
        elif not state.up and (fault.kind != "crash" or state.rejoin < 0):
            self._log.miss(number, DOWN)
        elif fault.kind == "crash":
            self._log.inject(number, now_ns)
            self._fall(device, state, number)
        elif fault.kind == "pause":
            self._log.inject(number, now_ns)
            state.pauses.add(number)
            self._silence(fault)
        else:
            self._log.inject(number, now_ns, NO_COMPUTE)
            state.slow.begin(fault, now_ns)

    def end(self, fault: FaultEvent) -> None:
        """End the window of a fault."""
        device, number = fault.target, fault.number
        state = self.touched[device]
        if fault.kind == "pause" and number not in state.pauses:
            return
        state.pauses.discard(number)
        self._look(device, self._beats.unmute(device, number, self._world.now_ns))
        if fault.kind == "pause" and not state.pauses:
            waiting, state.waiting = state.waiting, []
            self._log.observe(number, {"events_deferred": len(waiting)})
            for event in waiting:
                if self.admits(device, event):
                    self._world.take(device, event)

    def overflow(self, device: str) -> None:
        """Lose a device that has run out of memory."""
        number = self._log.happen(OUT_OF_MEMORY, device, self._world.now_ns)
        self._fall(device, self.touched.setdefault(device, _State()), number)

    def look(self, device: str) -> None:
        """See whether the source has news of a device."""
        alive = self._beats.look(device, self._world.now_ns)
        if alive is not None:
            (self._log.back if alive else self._log.lost)(device, self._world.now_ns)
            self._world.peer(device, alive)

    def settle(self) -> None:
        """Give the log what was seen to happen."""
        for number, counts in self._impairments.hits.items():
            self._log.hit(number, counts)
        for number, passed_ns in self._impairments.passed_ns.items():
            self._log.passed(number, passed_ns)
        for state in self.touched.values():
            self._slowed(state)

    def _silence(self, fault: FaultEvent) -> None:
        now_ns = self._world.now_ns
        self._world.later(now_ns + fault.duration_ns, fault.target, End(fault))
        self._look(fault.target, self._beats.mute(fault.target, fault.number, now_ns))

    def _look(self, device: str, at_ns: int | None) -> None:
        if at_ns is not None:
            self._world.look(at_ns, device)

    def _fall(self, device: str, state: _State, number: int) -> None:
        now_ns = self._world.now_ns
        self._look(device, self._beats.mute(device, number, now_ns))
        for former in (*state.pauses, state.fallen):
            self._beats.unmute(device, former, now_ns)
        self._slowed(state)
        self.touched[device] = _State(
            up=False, fallen=number, births=state.births, born_after=self._world.pushed
        )

    def _slowed(self, state: _State) -> None:
        for number, computes in state.slow.hits.items():
            self._log.hit(number, {"computes_slowed": computes})

    def _rejoin(self, state: _State, fault: FaultEvent) -> None:
        """A fresh device says hello: by that the source knows that the old one is gone."""
        device, now_ns = fault.target, self._world.now_ns
        if state.up or state.rejoin >= 0:
            self._log.miss(fault.number, UP)
            return
        self._log.inject(fault.number, now_ns, "its stages never arrived")
        state.rejoin = fault.number
        state.births += 1
        if not self._beats.lost(device):
            self._beats.give_up(device, now_ns)
            self._log.lost(device, now_ns)
            self._world.peer(device, False)
        self._world.ship(device, state.births)

    def _arrive(self, device: str, state: _State, shipment: Shipment) -> None:
        if state.up or state.rejoin < 0 or shipment.birth != state.births:
            self.stale_messages += 1
            return
        now_ns = self._world.now_ns
        self.touched[device] = _State(
            births=state.births, born_ns=now_ns, born_after=self._world.pushed
        )
        self._look(device, self._beats.born(device, {state.fallen}, now_ns))
        self._log.observe(
            state.rejoin, {"shipped_bytes": shipment.attempt * shipment.payload_bytes}
        )
        self._log.land(state.rejoin)
        self._log.back(device, now_ns)
        self._world.bear(device)
