"""The trace of a virtual run, kept as a digest: equal digests are equal runs, event by event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from coinfer.runtime.wire import Envelope, Flight

BLOCK_EVENTS: Final = 512
"""Events that are written and hashed together: the same body travels in many of them."""


class Trace:
    """Digest of all that happened.

    Parameters
    ----------
    names : sequence of str
        Names of the actors, by place.

    Attributes
    ----------
    events : list of tuple
        Those of the block under way, as they are on the heap: whoever handles an event adds it,
        and closes the block when there are `BLOCK_EVENTS`. Payloads must not change any more.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._hash = sha256()
        self._encoder = msgspec.msgpack.Encoder()
        self.events: list[tuple[int, int, int, int, Any]] = []

    def close_block(self) -> None:
        """Hash the block under way, column by column, and begin another."""
        if not self.events:
            return
        times, kinds, places, _, payloads = zip(*self.events, strict=True)
        actors = [self._names[place] for place in places]
        self._hash.update(self._encoder.encode((times, kinds, actors, _messages(payloads))))
        self.events.clear()

    def end(self, records: Iterable[object]) -> str:
        """Digest of the events and of what they led to."""
        self.close_block()
        for record in records:
            self._hash.update(repr(record).encode())
        return self._hash.hexdigest()


def _messages(payloads: Iterable[Any]) -> list[tuple[str, str, tuple[int, str, int]] | None]:
    """What travels in each event: from whom, to whom, and what; None where nothing does."""
    bodies: dict[int, tuple[int, str, int]] = {}
    messages: list[tuple[str, str, tuple[int, str, int]] | None] = []
    for payload in payloads:
        envelope = payload.envelope if isinstance(payload, Flight) else payload
        if not isinstance(envelope, Envelope):
            messages.append(None)
            continue
        body = envelope.body
        what = bodies.get(id(body))
        if what is None:
            what = bodies[id(body)] = (body.job, body.label, body.payload_bytes)
        messages.append((envelope.sender, envelope.to, what))
    return messages
