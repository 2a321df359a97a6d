"""The loop of the process that asks: it injects faults, and in native mode routes for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from coinfer.runtime.context import Done
from coinfer.runtime.realtime.loop import Loop
from coinfer.runtime.realtime.processes import Liveness, Setup
from coinfer.runtime.realtime.transport import DealerPort, Packet, RouterPort, System
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.wire import Envelope


class SourceLoop(Loop):
    """Loop of the source.

    Parameters
    ----------
    port : DealerPort or RouterPort
        A router where there is no hub (native mode): then packets between devices pass through
        here, and silence is noticed here.
    setup : Setup
    devices : tuple of str
    """

    def __init__(
        self, port: DealerPort | RouterPort, setup: Setup, devices: tuple[str, ...]
    ) -> None:
        super().__init__(port, setup.run, setup.meter(SOURCE), dilated=setup.dilated, exact=True)
        self._routes = isinstance(port, RouterPort)
        self._devices = devices
        self._watch = Liveness(setup.cluster)

    def broadcast(self, kind: str, **info: Any) -> None:
        """Tell every device something."""
        for name in self._devices if self._routes else ("hub",):
            self.system(name, kind, SOURCE, **info)

    def run(self, until: Callable[[], bool]) -> None:
        """Handle what comes until `until()` is true, and notice who has fallen silent."""

        def stop() -> bool:
            for name in self._watch.lost(time.monotonic_ns()):
                self.on_system(System(self._run, "lost", name))
            return until()

        super().run(stop)

    def _take(self, packet: Packet) -> None:
        if self._routes and packet.run == self._run:
            if isinstance(packet, System):
                self._watch.heard(packet.name, time.monotonic_ns())
                if packet.kind == "report":
                    self._watch.forget(packet.name)
            elif packet.envelope.to != SOURCE:
                self._port.send(packet.envelope.to, packet)
                return
        super()._take(packet)


class WithFaults:
    """The source's handlers, with timed faults taken out of its timers.

    Parameters
    ----------
    source : SourceReactor
    inject : callable
        Carries a fault out.
    """

    def __init__(self, source: SourceReactor, inject: Callable[[FaultEvent], None]) -> None:
        self._inject = inject
        self.on_message: Callable[[Envelope], None] = source.on_message
        self.on_done: Callable[[Done], None] = source.on_done
        self.on_peer: Callable[[str, bool], None] = source.on_peer
        self._on_timer = source.on_timer

    def on_timer(self, token: Any) -> None:
        """Inject a fault, or pass the timer on."""
        if isinstance(token, FaultEvent):
            self._inject(token)
        else:
            self._on_timer(token)
