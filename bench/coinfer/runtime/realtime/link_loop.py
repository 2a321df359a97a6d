"""The hub's loop: its timers are messages on links, and a late release is an overrun."""

from __future__ import annotations

from typing import Any

from coinfer.contract import SOURCE
from coinfer.runtime.realtime.centre import Centre
from coinfer.runtime.realtime.loop import Loop
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import RouterPort
from coinfer.runtime.wire import Envelope


class LinkLoop(Loop):
    """Loop of the hub.

    Parameters
    ----------
    port : RouterPort
    setup : Setup
    centre : Centre
        Delivers to devices.
    """

    def __init__(self, port: RouterPort, setup: Setup, centre: Centre) -> None:
        super().__init__(port, setup.run, setup.meter(SOURCE), dilated=True, exact=False)
        self._centre = centre

    def send(self, envelope: Envelope) -> None:
        """Release a message that is across."""
        if envelope.to == SOURCE:
            super().send(envelope)
        else:
            self._centre.deliver(envelope, self.now_ns)

    def set_timer(self, due_ns: int, token: Any) -> int:
        """Ask for the release of a message."""
        clock_ns = self.clock_ns()
        self._meet(due_ns, clock_ns)
        return super().set_timer(max(due_ns, clock_ns), token)
