"""Which devices of a virtual run are up, stopped or on their way back, and what faults make of it.

The driver asks for leave before it hands an event to a device that is not simply up.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from coinfer.cluster import FaultEvent
from coinfer.runtime.events import End, Event
from coinfer.runtime.fault_log import FaultLog
from coinfer.runtime.fault_rules import FaultRules
from coinfer.runtime.heartbeats import Heartbeats
from coinfer.runtime.impairments import Impairments, Slowdowns
from coinfer.runtime.lives import Life, Turnstile
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.wire import Envelope, Shipment


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

    def ship(self, device: str, birth: int) -> None:
        """Send a device all its stages."""
        ...

    def bear(self, device: str) -> None:
        """Put a fresh device in the place of the one that was lost."""
        ...

    def take(self, device: str, event: Event) -> None:
        """Handle an event that had to wait."""
        ...


class _State(Life):
    """A device that a fault has touched."""

    born_after: int = 0
    """Number of the last event of its former life."""
    pauses: set[int] = msgspec.field(default_factory=set)
    waiting: list[Event] = msgspec.field(default_factory=list)
    slow: Slowdowns = msgspec.field(default_factory=Slowdowns)


class Lifecycle(FaultRules):
    """Lives of all devices.

    Parameters
    ----------
    world : World
    log : FaultLog
    source : SourceReactor
    beats : Heartbeats
    impairments : Impairments
        Of the hub.

    Attributes
    ----------
    touched : dict
        Devices that need leave for every event.
    turnstile : Turnstile
        Counts the messages that came to a device too late, or in vain.
    """

    def __init__(
        self,
        world: World,
        log: FaultLog,
        source: SourceReactor,
        beats: Heartbeats,
        impairments: Impairments,
    ) -> None:
        super().__init__(log, source)
        self._world = world
        self._beats = beats
        self._impairments = impairments
        self.touched: dict[str, _State] = {}
        self.turnstile = Turnstile()

    @property
    def now_ns(self) -> int:
        """Time of the event being handled."""
        return self._world.now_ns

    def life(self, device: str) -> _State:
        """Latest life of a device."""
        return self.touched.setdefault(device, _State())

    def up(self, device: str) -> bool:
        """Whether a device has not gone, or is back."""
        return device not in self.touched or self.touched[device].up

    def factor(self, device: str) -> float:
        """How many times longer a computation of a device takes that starts now."""
        state = self.touched.get(device)
        return 1.0 if state is None else state.slow.factor(self.now_ns)

    def admits(self, device: str, event: Event) -> bool:
        """Whether a device may have an event now; keeps what has to wait, counts what is gone."""
        state = self.touched[device]
        if state.pauses:
            state.waiting.append(event)
            return False
        envelope = event.payload
        if not isinstance(envelope, Envelope):
            return state.up and event.sequence > state.born_after
        if not self.turnstile.admits(state, envelope):
            return False
        if isinstance(envelope.body, Shipment):
            self._arrive(device, state, envelope.body)
            return False
        return True

    def end(self, fault: FaultEvent) -> None:
        """End the window of a fault."""
        device, number = fault.target, fault.number
        state = self.touched[device]
        if fault.kind == "pause" and number not in state.pauses:
            return
        state.pauses.discard(number)
        self._look(device, self._beats.unmute(device, number, self.now_ns))
        if fault.kind == "pause" and not state.pauses:
            waiting, state.waiting = state.waiting, []
            self._log.observe(number, {"events_deferred": len(waiting)})
            for event in waiting:
                if self.admits(device, event):
                    self._world.take(device, event)

    def look(self, device: str) -> None:
        """See whether the source has news of a device."""
        alive = self._beats.look(device, self.now_ns)
        if alive is not None:
            self._believe(device, alive=alive)

    def settle(self) -> None:
        """Give the log what was seen to happen."""
        hits, passed_ns = self._impairments.hits, self._impairments.passed_ns
        self._log.settle(hits, passed_ns, self.turnstile.lost_messages)
        for state in self.touched.values():
            self._slowed(state)

    # How faults are carried out

    def _impair(self, fault: FaultEvent) -> None:
        self._impairments.begin(fault, self.now_ns)
        if fault.kind == "partition":
            self._silence(fault)

    def _hold(self, fault: FaultEvent) -> None:
        self.life(fault.target).pauses.add(fault.number)
        self._silence(fault)

    def _slow(self, fault: FaultEvent) -> None:
        self.life(fault.target).slow.begin(fault, self.now_ns)

    def _fall(self, device: str, number: int, *, planned: bool) -> None:
        state, now_ns = self.life(device), self.now_ns
        self._look(device, self._beats.mute(device, number, now_ns))
        for former in (*state.pauses, state.fallen):
            self._beats.unmute(device, former, now_ns)
        self._slowed(state)
        self.touched[device] = _State(
            up=False, fallen=number, births=state.births, born_after=self._world.pushed
        )

    def _give_up(self, device: str) -> bool:
        if self._beats.lost(device):
            return False
        self._beats.give_up(device, self.now_ns)
        return True

    def _ship(self, device: str, birth: int) -> None:
        self._world.ship(device, birth)

    def _arrive(self, device: str, state: _State, shipment: Shipment) -> None:
        now_ns = self.now_ns
        self.touched[device] = _State(
            births=state.births, born_ns=now_ns, born_after=self._world.pushed
        )
        self._look(device, self._beats.born(device, {state.fallen}, now_ns))
        self._world.bear(device)
        self._arrived(device, state.rejoin, shipment)

    def _silence(self, fault: FaultEvent) -> None:
        now_ns = self.now_ns
        self._world.later(now_ns + fault.duration_ns, fault.target, End(fault))
        self._look(fault.target, self._beats.mute(fault.target, fault.number, now_ns))

    def _look(self, device: str, at_ns: int | None) -> None:
        if at_ns is not None:
            self._world.look(at_ns, device)

    def _slowed(self, state: _State) -> None:
        for number, computes in state.slow.hits.items():
            self._log.hit(number, {"computes_slowed": computes})
