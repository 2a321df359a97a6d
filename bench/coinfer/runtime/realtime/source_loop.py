"""The loops of the process that asks: the source's own, and the one that is the centre as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from coinfer.runtime.context import Work
from coinfer.runtime.events import End
from coinfer.runtime.hub import HubReactor, Resend
from coinfer.runtime.realtime.centre import Centre
from coinfer.runtime.realtime.loop import Loop
from coinfer.runtime.realtime.packets import HUB, Packet, Parcel, System
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import DealerPort, RouterPort
from coinfer.runtime.timeline import Timeline
from coinfer.runtime.wire import Body, Envelope, Flight


class SourceLoop(Loop):
    """Loop of the source, with a hub between it and the devices.

    Parameters
    ----------
    port : DealerPort or RouterPort
    setup : Setup

    Attributes
    ----------
    on_turn : callable
        Called again and again.
    on_fault : callable
        Given the timers that are faults, or ends of them.
    knows : callable
        Tells whether what comes belongs to a request that has come before.
    """

    def __init__(self, port: DealerPort | RouterPort, setup: Setup) -> None:
        super().__init__(port, setup.run, setup.meter(SOURCE), dilated=setup.dilated, exact=True)
        self.on_turn: Callable[[], None] = lambda: None
        self.on_fault: Callable[[FaultEvent | End], None]
        self.knows: Callable[[Body], bool]
        self._unknown = 0

    @property
    def foreign(self) -> int:
        """Messages that were refused, those about no row of an open or former job among them."""
        return super().foreign + self._unknown

    def tell(self, where: str, kind: str, **info: Any) -> None:
        """Tell the process at an address something."""
        self.system(where, kind, where, **info)

    def order(self, kind: str, device: str, **info: Any) -> None:
        """Have the hub do something about a device."""
        self.system(HUB, kind, device, **info)

    def run(self, until: Callable[[], bool]) -> None:
        """Handle what comes until `until()` is true."""

        def stop() -> bool:
            self.now_ns = self.clock_ns()
            self.on_turn()
            return until()

        super().run(stop)

    def _take(self, packet: Packet) -> None:
        envelope = packet.envelope if isinstance(packet, Parcel) else None
        if envelope is None or envelope.to != SOURCE or self.knows(envelope.body):
            self._accept(packet)
        else:
            self._unknown += 1

    def _accept(self, packet: Packet) -> None:
        super()._take(packet)

    def _expire(self, token: Any) -> None:
        if isinstance(token, FaultEvent | End):
            self.on_fault(token)
        else:
            super()._expire(token)


class CentreLoop(SourceLoop):
    """Loop of the source where there is no hub: packets between devices pass through here.

    What faults do to messages is done here as well. A message is on the link of its device from
    when it was sent until it comes by.

    Parameters
    ----------
    port : RouterPort
    setup : Setup
    timeline : Timeline, optional
    """

    def __init__(self, port: RouterPort, setup: Setup, timeline: Timeline | None = None) -> None:
        super().__init__(port, setup)
        self.centre = Centre(port, setup.run, setup.cluster)
        passing = _Passing(self)
        self._hub = HubReactor(setup.cluster, setup.seed, passing, timeline, modelled=False)
        self.centre.hub = self._hub
        self._begun = False

    def set_zero(self, zero_ns: int) -> None:
        """Agree on when the run began; from then on devices beat."""
        super().set_zero(zero_ns)
        self._begun = True

    def send(self, envelope: Envelope) -> None:
        """Send a message on its way."""
        self._hub.on_message(envelope)

    def deliver(self, envelope: Envelope) -> None:
        """Have a message arrive."""
        if envelope.to == SOURCE:
            self.reactor.on_message(self._delivered(envelope, self.now_ns))
        else:
            self.centre.deliver(envelope, self.now_ns)

    def order(self, kind: str, device: str, **info: Any) -> None:
        """Do something about a device."""
        plain = msgspec.to_builtins(info)
        self.centre.obey(System(self._run, kind, device, plain), self.now_ns)

    def run(self, until: Callable[[], bool]) -> None:
        """Handle what comes until `until()` is true, and notice who has fallen silent."""

        def stop() -> bool:
            for name, alive in self.centre.watch.news(self.clock_ns()) if self._begun else ():
                self.now_ns = self.clock_ns()
                self.on_system(System(self._run, "alive" if alive else "lost", name))
            return until()

        super().run(stop)

    def _accept(self, packet: Packet) -> None:
        if isinstance(packet, Parcel):
            self.now_ns = self.clock_ns()
            self._hub.on_message(packet.envelope)
        elif isinstance(packet, System) and packet.kind == "beat":
            self.centre.heard(packet, self.clock_ns())
        else:
            if isinstance(packet, System) and packet.kind == "report":
                self.centre.watch.forget(packet.name)
            super()._accept(packet)

    def _expire(self, token: Any) -> None:
        if isinstance(token, Flight | Resend | Envelope):
            self._hub.on_timer(token)
        else:
            super()._expire(token)


class _Passing:
    """Services of the loop for the hub that it is as well."""

    def __init__(self, loop: CentreLoop) -> None:
        self._loop = loop
        self.send = loop.deliver
        self.set_timer = loop.set_timer
        self.cancel_timer = loop.cancel_timer

    @property
    def now_ns(self) -> int:
        """Time of the event being handled."""
        return self._loop.now_ns

    def compute(self, work: Work) -> None:
        """Nothing: a hub does not compute."""
        raise AssertionError("a hub does not compute")
