"""What faults do to messages and computations while they last; the same in both drivers.

A fault is a window on one device. Whether it hits a message is drawn by what the message is, never
by when it was looked at, so that drivers which see messages in another order draw the same.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from typing import Final, NamedTuple

import msgspec

from coinfer.cluster import FaultEvent
from coinfer.cluster.draws import uniform
from coinfer.runtime.wire import Body, Crossing, Data, Envelope

LINK_KINDS: Final = ("partition", "drop", "corrupt", "delay")
"""Kinds that hit messages, in the order in which they are tried."""


class Fate(NamedTuple):
    """What becomes of a message: None where it is lost, and how much later it comes."""

    envelope: Envelope | None
    delay_ns: int = 0


class _Window(NamedTuple):
    end_ns: int
    begin_ns: int
    number: int
    event: FaultEvent


class Impairments:
    """Faults of links, wherever the links are modelled.

    Parameters
    ----------
    seed : int

    Attributes
    ----------
    hits : dict of int to Counter
        By number of the event: messages dropped, corrupted, delayed.
    passed_ns : dict of int to int
        By number of the event: when the first message was across after its end.
    begun : bool
        Whether there has been any: before, nothing happens to a message.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._windows: dict[str, list[_Window]] = {}
        self._awaited: dict[str, list[_Window]] = {}
        self.hits: dict[int, Counter[str]] = {}
        self.passed_ns: dict[int, int] = {}
        self.begun = False

    def begin(self, event: FaultEvent, at_ns: int) -> None:
        """Open the window of an event; it closes by itself."""
        self.begun = True
        window = _Window(at_ns + event.duration_ns, at_ns, event.number, event)
        insort(self._windows.setdefault(event.target, []), window)
        self._awaited.setdefault(event.target, []).append(window)

    def fate(self, envelope: Envelope, crossings: tuple[Crossing, ...]) -> Fate:
        """What becomes of a message that has crossed these links."""
        found = [w for c in crossings for device in c.devices for w in self._open(device, c)]
        delay_ns = 0
        corrupt = False
        for window in sorted(found, key=_order):
            event = window.event
            if event.kind == "delay":
                delay_ns += event.delay_ns
                self._hit(event, "messages_delayed")
            elif event.kind != "corrupt" or not corrupt:
                if event.kind != "partition" and self._spared(event, envelope):
                    continue
                if event.kind != "corrupt":
                    self._hit(event, "messages_dropped")
                    return Fate(None)
                self._hit(event, "messages_corrupted")
                corrupt = True
                damaged = self._damage(event, envelope)
                if damaged is None:
                    return Fate(None)
                envelope = damaged
        if not corrupt and self._awaited:
            self._pass(crossings)
        return Fate(envelope, delay_ns)

    def _open(self, device: str, crossing: Crossing) -> list[_Window]:
        """Windows that have a moment in common with a crossing, the end of a window left out."""
        found = []
        for window in reversed(self._windows.get(device, ())):
            if window.end_ns <= crossing.begin_ns:
                break
            if window.begin_ns <= crossing.end_ns:
                found.append(window)
        return found

    def _spared(self, event: FaultEvent, envelope: Envelope) -> bool:
        draw = uniform(self._seed, "fault", event.number, *_key(event, envelope))
        return event.probability < 1 and draw >= event.probability

    def _damage(self, event: FaultEvent, envelope: Envelope) -> Envelope | None:
        """One bit of the frame flipped; None for what has no frame: no transport would pass it."""
        body: Body = envelope.body
        if not isinstance(body, Data):
            return None
        frame = bytearray(body.frame)
        draw = uniform(self._seed, "bit", event.number, *_key(event, envelope))
        place, bit = divmod(int(draw * 8 * len(frame)), 8)
        frame[place] ^= 1 << bit
        return msgspec.structs.replace(envelope, body=msgspec.structs.replace(body, frame=frame))

    def _hit(self, event: FaultEvent, what: str) -> None:
        self.hits.setdefault(event.number, Counter())[what] += 1

    def _pass(self, crossings: tuple[Crossing, ...]) -> None:
        for device, crossing in [(device, c) for c in crossings for device in c.devices]:
            waiting = self._awaited.get(device)
            if waiting is None:
                continue
            for window in [w for w in waiting if w.end_ns <= crossing.begin_ns]:
                self.passed_ns[window.number] = crossing.end_ns
                waiting.remove(window)
            if not waiting:
                del self._awaited[device]


class Slowdowns:
    """Straggling of one device.

    Attributes
    ----------
    hits : Counter
        By number of the event: computations that it made slower.
    """

    def __init__(self) -> None:
        self._windows: list[_Window] = []
        self.hits: Counter[int] = Counter()

    def begin(self, event: FaultEvent, at_ns: int) -> None:
        """Open the window of an event; it closes by itself."""
        self._windows.append(_Window(at_ns + event.duration_ns, at_ns, event.number, event))

    def factor(self, now_ns: int) -> float:
        """How many times longer a computation takes that starts now."""
        product = 1.0
        if self._windows:
            self._windows = [w for w in self._windows if w.end_ns > now_ns]
            for window in self._windows:
                if window.begin_ns <= now_ns:
                    product *= window.event.factor
                    self.hits[window.number] += 1
        return product


def _order(window: _Window) -> tuple[int, int]:
    return LINK_KINDS.index(window.event.kind), window.number


def _key(event: FaultEvent, envelope: Envelope) -> tuple[object, ...]:
    """What makes a message this one; what its sender sends to several at once is one message."""
    body = envelope.body
    to = envelope.group if envelope.group and envelope.sender == event.target else envelope.to
    part = body.select if isinstance(body, Data) else None
    return body.job, envelope.sender, to, body.label, body.rows, part
