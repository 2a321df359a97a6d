"""The trace of a virtual run, kept as a digest: equal digests are equal runs, event by event."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from coinfer.runtime.events import KINDS
from coinfer.runtime.wire import Envelope, Flight

BLOCK_LINES: Final = 512
"""Lines that are hashed together: a call of the hash costs more than the bytes of one line."""


class Trace:
    """Digest of all that happened."""

    def __init__(self) -> None:
        self._hash = sha256()
        self._lines: list[str] = []

    def event(self, at_ns: int, kind: int, name: str, payload: Any) -> None:
        """Add an event."""
        label = ""
        if isinstance(payload, Flight):
            payload = payload.envelope
        if isinstance(payload, Envelope):
            body = payload.body
            label = f"{payload.sender}>{payload.to} {body.job} {body.label} {body.payload_bytes}"
        self._lines.append(f"{at_ns} {KINDS[kind]} {name} {label}\n")
        if len(self._lines) == BLOCK_LINES:
            self._flush()

    def end(self, text: str) -> None:
        """Add what the run led to."""
        self._lines.append(text)

    def hexdigest(self) -> str:
        """Digest so far."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        self._hash.update("".join(self._lines).encode())
        self._lines.clear()
