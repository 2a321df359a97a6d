"""What a reactor may use, and what it must handle. Every driver offers just this.

A reactor has no clock, no socket and no sleep of its own, so that the same handlers run in
virtual time and in real processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from coinfer.runtime.meter import Meter
from coinfer.runtime.wire import Envelope

Work = Callable[[Meter], Any]
"""One uninterrupted computation; what it costs is charged to the meter it is given."""


class Context(Protocol):
    """The services of a driver for one reactor."""

    @property
    def now_ns(self) -> int:
        """Time of the event being handled, since the run began."""
        ...

    def compute(self, work: Work) -> None:
        """Start a computation; returns at once and ends in ``on_done``. One at a time."""
        ...

    def send(self, envelope: Envelope) -> None:
        """Hand an envelope to the network."""
        ...

    def set_timer(self, due_ns: int, token: Any) -> int:
        """Ask for ``on_timer(token)`` at `due_ns`; returns a number to cancel it by."""
        ...

    def cancel_timer(self, timer: int) -> None:
        """Forget a timer; one that has fired is forgotten already."""
        ...


class Done(Protocol):
    """The end of a computation."""

    value: Any
    started_ns: int
    ended_ns: int
    meter: Meter


class Reactor(Protocol):
    """Handlers that a driver calls, one at a time."""

    def on_message(self, envelope: Envelope) -> None:
        """Handle an envelope that has arrived."""
        ...

    def on_done(self, done: Done) -> None:
        """Handle the end of the computation under way."""
        ...

    def on_timer(self, token: Any) -> None:
        """Handle a timer."""
        ...

    def on_peer(self, device: str, alive: bool) -> None:
        """Handle a device that is believed lost, or back."""
        ...
