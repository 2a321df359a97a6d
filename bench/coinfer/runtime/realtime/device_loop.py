"""The loop of a device: a fault may stop it, slow it down, or send it back to the start."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from coinfer.runtime.impairments import Slowdowns
from coinfer.runtime.realtime.loop import Loop
from coinfer.runtime.realtime.packets import Packet, Parcel, System
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import DealerPort
from coinfer.runtime.wire import Envelope, Shipment


class DeviceLoop(Loop):
    """Loop of one life of a device.

    Parameters
    ----------
    port : DealerPort
    setup : Setup
    name : str
    birth : int

    Attributes
    ----------
    on_stages : callable
        Told of the arrival of its stages, where it came back.
    deferred : list of int
        For each time that it was stopped, how many events had to wait for its end.
    """

    def __init__(self, port: DealerPort, setup: Setup, name: str, birth: int) -> None:
        super().__init__(port, setup.run, setup.meter(name), dilated=setup.dilated, exact=False)
        self._remote = setup.remote is not None
        self._name = name
        self._birth = birth
        self._slow = Slowdowns()
        self._resumed_ns = 0
        self.deferred: list[int] = []
        self.on_stages: Callable[[Envelope], None]
        # What is due while a process is stopped is handled when it goes on, and not before.
        signal.signal(signal.SIGCONT, self._resume)

    def zero_of(self, go: Mapping[str, int]) -> int:
        """When the run begins, by this machine's clock; from afar that is late by the way here."""
        return time.monotonic_ns() + go["ahead_ns"] if self._remote else go["zero_ns"]

    def slow_down(self, fault: FaultEvent, at_ns: int) -> None:
        """Take longer for what starts in the window of a fault."""
        self._slow.begin(fault, at_ns)

    def send(self, envelope: Envelope) -> None:
        """Hand an envelope to the port."""
        self._port.send(envelope.to, Parcel(self._run, self.now_ns, envelope, self._birth))

    def say(self, kind: str, **info: Any) -> None:
        """Tell the source something."""
        self._port.send(SOURCE, System(self._run, kind, self._name, info, self._birth))

    def _delivered(self, envelope: Envelope, arrived_ns: int) -> Envelope:
        """From afar the way here is not known: what a clock of one machine measures is durations.

        The source finds it, with that of the way back, as what is left of the time in between.
        """
        return envelope if self._remote else super()._delivered(envelope, arrived_ns)

    def _resume(self, *_: Any) -> None:
        self._resumed_ns = self.clock_ns()
        self.deferred.append(0)

    def _as_of(self, due_ns: int) -> int:
        at_ns = super()._as_of(due_ns)
        if due_ns >= self._resumed_ns:
            return at_ns
        self.deferred[-1] += 1
        return max(at_ns, self._resumed_ns)

    def _factor(self, start_ns: int) -> float:
        factor = self._slow.factor(start_ns)
        if factor > 1:
            # All so far, at once: who is about to die has no time for a report.
            self.say("slowed", hits=dict(self._slow.hits))
        return factor

    def _meet(self, due_ns: int, clock_ns: int) -> None:
        """What could not end because the process was stopped is not late."""
        super()._meet(max(due_ns, self._resumed_ns), clock_ns)

    def _take(self, packet: Packet) -> None:
        if self._remote and isinstance(packet, Parcel) and self.clock_ns() < 0:
            # It shows that the run has begun: the word of it was longer on its way. No time of a
            # run is negative, and who said one would be refused.
            self.set_zero(time.monotonic_ns())
        if not isinstance(packet, Parcel):
            super()._take(packet)
        elif packet.birth != self._birth:
            self.stale += 1
        elif isinstance(packet.envelope.body, Shipment):
            self.now_ns = self._as_of(packet.due_ns)
            self.on_stages(packet.envelope)
        else:
            super()._take(packet)
