"""Where boards are received: who has joined, in which session, and who is turned away."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coinfer.runtime.boards import notes
from coinfer.runtime.boards.code import code_sha256
from coinfer.runtime.boards.notes import Alive, Facts, FromBoard, Join, Refusal
from coinfer.runtime.boards.port import BoardPort, log
from coinfer.runtime.realtime.gate import Gate
from coinfer.runtime.realtime.remote import Remote

SILENT_S: Final = 5.0
"""A board of which nothing was heard for so long is not waited for."""


@dataclass
class Session:
    """A board from when it joined.

    Attributes
    ----------
    name : str
    identity : bytes
        What it shows; another one after it was started again.
    facts : Facts
    number : int
        Of its last note.
    heard_s : float
        When that came, by the monotonic clock.
    hottest_c : float or None
        Highest temperature that it told.
    """

    name: str
    identity: bytes
    facts: Facts
    number: int
    heard_s: float
    hottest_c: float | None

    @property
    def reachable(self) -> bool:
        """Whether it was heard lately."""
        return time.monotonic() - self.heard_s < SILENT_S


class Reception:
    """Lets boards join, and hands on what they say.

    Parameters
    ----------
    endpoint : str
    gate : Gate
    expected : collection of str
        Names of the boards.
    remote : Remote
    allowed : mapping of bytes to str
        Names by public keys.
    on_join : callable
        Told each new session.
    on_note : callable
        Told the session and the note, joining and signs of life left out.

    Attributes
    ----------
    port : BoardPort
    sessions : dict of str to Session
        By name; the latest of each.
    """

    def __init__(
        self,
        endpoint: str,
        gate: Gate,
        expected: Collection[str],
        remote: Remote,
        allowed: Mapping[bytes, str],
        on_join: Callable[[Session], None],
        on_note: Callable[[Session, FromBoard], None],
    ) -> None:
        self._expected = expected
        self._on_join = on_join
        self._on_note = on_note
        self.sessions: dict[str, Session] = {}
        self.port = BoardPort(endpoint, gate, remote, allowed, self.hear)

    def tell(self, session: Session, note: Any) -> None:
        """Send a note to a board."""
        self.port.note(session.identity, notes.encode(note))

    def hear(self, identity: bytes, parts: Sequence[bytes], user: str | None) -> None:
        """Take a note from whoever shows an identity, with the name that its key stands for."""
        name = _name_in(identity)
        if name is None or len(parts) != 1 or len(parts[0]) > notes.MOST_FROM_BOARD_BYTES:
            self.port.refuse("malformed note", "a peer")
            return
        if user is not None and user != name:
            self.port.refuse("key of another device", name)
            self._turn_away(identity, f"this key is allowed as {user!r}, not as {name!r}")
            return
        try:
            note = notes.from_board(parts[0])
        except ValueError:
            self.port.refuse("malformed note", name)
            return
        session = self.sessions.get(name)
        if session is None or session.identity != identity:
            self._hear_stranger(name, identity, note.number, note.body, user)
        elif note.number <= session.number:
            self.port.refuse("note that was there before", name)
        else:
            session.number, session.heard_s = note.number, time.monotonic()
            self._hear(session, note.body)

    def pump(self, seconds: float, done: Callable[[], bool]) -> bool:
        """Receive boards until `done()`, at most so long; returns whether it is."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                return False
            self.port.receive(20_000_000)
        return True

    def dismiss(self, seconds: float) -> None:
        """Tell all boards that nothing more is wanted, and wait until they have heard it."""
        there = {s.name: s for s in self.sessions.values() if s.reachable}
        for session in there.values():
            self.tell(session, notes.Over())
        self.pump(seconds, lambda: not there.keys() & self.sessions.keys())

    def refusals(self) -> list[str]:
        """What was refused, in words."""
        return [f"refused: {why}, {times} times" for why, times in self.port.refused.items()]

    def _hear(self, session: Session, body: FromBoard) -> None:
        if isinstance(body, Alive):
            if body.temperature_c is not None:
                session.hottest_c = max(session.hottest_c or body.temperature_c, body.temperature_c)
            self.tell(session, Alive())
        elif isinstance(body, notes.Over):
            del self.sessions[session.name]
        elif not isinstance(body, Join):
            self._on_note(session, body)

    def _hear_stranger(
        self, name: str, identity: bytes, number: int, body: FromBoard, user: str | None
    ) -> None:
        if not isinstance(body, Join):
            self.port.refuse("note before a handshake", name)
            self.port.note(identity, notes.encode(notes.Again()))
            return
        why = self._against(name, body, user)
        if why is not None:
            self.port.refuse(why[0], name)
            self._turn_away(identity, why[1])
            return
        facts = body.facts
        self.sessions[name] = session = Session(
            name, identity, facts, number, time.monotonic(), facts.temperature_c
        )
        log.info("%s has joined: %s, %d cores", name, facts.machine, facts.cores)
        self._on_join(session)

    def _against(self, name: str, join: Join, user: str | None) -> tuple[str, str] | None:
        """Why a board may not join, for the count and for itself."""
        if name not in self._expected:
            known = ", ".join(sorted(self._expected))
            return "unknown name", f"no device of this cluster is named {name!r}; there are {known}"
        if join.protocol != notes.PROTOCOL:
            return "another version", (
                f"protocol {join.protocol} (coinfer {join.release}) does not meet protocol "
                f"{notes.PROTOCOL} here; install the same release on both"
            )
        if join.code_sha256 != code_sha256():
            return "other code", (
                f"coinfer {join.release} with code {join.code_sha256[:12]} does not meet code "
                f"{code_sha256()[:12]} here; install the same release on both"
            )
        before = self.sessions.get(name)
        # A key proves a name; without keys, who came first has it as long as it is heard.
        if user is None and before is not None and before.reachable:
            return "name that is taken", f"{name!r} has joined already; choose another name"
        return None

    def _turn_away(self, identity: bytes, reason: str) -> None:
        self.port.note(identity, notes.encode(Refusal(reason)))


def _name_in(identity: bytes) -> str | None:
    """Name in the identity of a board, or None where it is malformed."""
    try:
        _, name, session = identity.decode().split("/")
    except ValueError:  # Of a UnicodeDecodeError too.
        return None
    return name if 0 < len(name) <= 64 and session else None
