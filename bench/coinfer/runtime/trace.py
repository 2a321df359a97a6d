"""The trace of a virtual run, kept as a digest: equal digests are equal runs, event by event."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from coinfer.runtime.events import KINDS
from coinfer.runtime.wire import Envelope, Flight

BLOCK_EVENTS: Final = 512
"""Events that are written and hashed together: the same body travels in many of them."""


class Trace:
    """Digest of all that happened."""

    def __init__(self) -> None:
        self._hash = sha256()
        self._events: list[tuple[int, int, str, Any]] = []

    def event(self, at_ns: int, kind: int, name: str, payload: Any) -> None:
        """Add an event; its payload must not change any more."""
        self._events.append((at_ns, kind, name, payload))
        if len(self._events) == BLOCK_EVENTS:
            self._flush()

    def end(self, records: Iterable[object]) -> str:
        """Digest of the events and of what they led to."""
        self._flush()
        for record in records:
            self._hash.update(repr(record).encode())
        return self._hash.hexdigest()

    def _flush(self) -> None:
        lines = []
        bodies: dict[int, str] = {}
        for at_ns, kind, name, payload in self._events:
            if isinstance(payload, Flight):
                payload = payload.envelope
            if isinstance(payload, Envelope):
                body = payload.body
                what = bodies.get(id(body))
                if what is None:
                    what = bodies[id(body)] = f"{body.job} {body.label} {body.payload_bytes}"
                way = f"{payload.sender}>{payload.to}"
                lines.append(f"{at_ns} {KINDS[kind]} {name} {way} {what}\n")
            else:
                lines.append(f"{at_ns} {KINDS[kind]} {name} \n")
        self._hash.update("".join(lines).encode())
        self._events.clear()
