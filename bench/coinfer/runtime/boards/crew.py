"""The boards of a run: as `Fleet` has processes here, `Crew` has them on other machines."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from coinfer.cluster import Boards
from coinfer.errors import ExecutionError
from coinfer.runtime.boards import notes
from coinfer.runtime.boards.blueprint import drawn
from coinfer.runtime.boards.keys import HOST, KeyFolder
from coinfer.runtime.boards.port import log
from coinfer.runtime.boards.reception import Reception, Session
from coinfer.runtime.realtime.packets import address
from coinfer.runtime.realtime.remote import Remote
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import RouterPort

GONE: Final = -int(signal.SIGKILL)
"""Exit code of a life whose board was started again: it is not there any more."""

FETCH_S: Final = 300.0
"""Longest wait for boards that have joined to get their weights."""

DISMISS_S: Final = 1.0


class Crew:
    """A process on its board for every life of every device.

    Parameters
    ----------
    setup : Setup
    boards : Boards
    weights : callable
        Gives the content of the file of weights with a digest.
    keys : KeyFolder, optional
        The user's.

    Raises
    ------
    UsageError
        If keys are needed and missing.
    """

    pinned = True

    def __init__(
        self,
        setup: Setup,
        boards: Boards,
        weights: Callable[[str], bytes],
        keys: KeyFolder | None = None,
    ) -> None:
        self._setup = setup
        self._boards = boards
        self._weights = weights
        self._remote, self._allowed = entrance(boards, keys or KeyFolder())
        self._blueprint = drawn(setup)
        self._wanted = {s.module.weights_sha256 for s in setup.stages}
        self._content: dict[str, bytes] = {}
        self._prepared: dict[str, str] = {}
        self._called: set[str] = set()
        self._seen: dict[str, notes.Process] = {}
        self._returned: set[str] = set()
        self._failed: dict[str, str] = {}
        self._reception: Reception | None = None
        self._known: dict[str, Session] = {}

    @property
    def names(self) -> set[str]:
        """Addresses of all processes."""
        return set(self._called)

    @property
    def _sessions(self) -> dict[str, Session]:
        return {} if self._reception is None else self._reception.sessions

    def start(self) -> RouterPort:
        """Wait for all boards, have them get their weights, and start all first lives."""
        names = self._setup.cluster.names
        self._reception = reception = Reception(
            self._boards.bind,
            self._setup.gate(),
            names,
            self._remote,
            self._allowed,
            self._joined,
            self._hear,
        )
        log.info("waiting at %s for %s", self._boards.bind, ", ".join(names))
        joined = reception.pump(
            self._boards.join_s, lambda: bool(self._failed) or {*names} <= {*reception.sessions}
        )
        if not joined:
            missing = sorted({*names} - {*reception.sessions})
            refused = "".join(f"; {line}" for line in reception.refusals())
            raise ExecutionError(
                f"boards: {', '.join(missing)} did not join at {self._boards.bind} within "
                f"{self._boards.join_s:g} s{refused}; run there: coinfer device --connect "
                f"tcp://THIS-MACHINE:{self._boards.bind.rpartition(':')[2]} --name {missing[0]}"
            )
        reception.pump(FETCH_S, lambda: bool(self._failed) or {*names} <= {*self._prepared})
        if self._failed or not {*names} <= {*self._prepared}:
            late = dict.fromkeys({*names} - {*self._prepared}, "it did not get its weights in time")
            told = "; ".join(f"{name}: {why}" for name, why in (self._failed or late).items())
            raise ExecutionError(f"boards: {told}")
        for name in names:
            self.call(name, 0)
        return reception.port

    def call(self, device: str, birth: int, zero_ns: int | None = None) -> None:
        """Have the process of a life started; `zero_ns` is when the run began, if it has."""
        self._called.add(address(device, birth))
        age_ns = None if zero_ns is None else time.monotonic_ns() - zero_ns
        self._tell(device, notes.Begin(birth, age_ns))

    def have_ready(self, device: str, birth: int, zero_ns: int | None = None) -> None:
        """Nothing: what a board takes to start a process is part of what is measured."""

    def send(self, where: str, what: signal.Signals) -> None:
        """Send a signal to a process, unless it is gone."""
        device, _, birth = where.rpartition("#")
        self._tell(device, notes.Signal(int(birth), int(what)))

    def stopped(self, where: str) -> bool:
        """Whether a process was last seen to be stopped."""
        return where in self._seen and self._seen[where].stopped

    def exit_code(self, where: str) -> int | None:
        """Exit code of a process, None while it is not known to have ended."""
        return self._seen[where].exit_code if where in self._seen else None

    def reachable(self, where: str) -> bool:
        """Whether a process can be expected to say something still."""
        session = self._sessions.get(where.rpartition("#")[0])
        return session is not None and session.reachable and self.exit_code(where) is None

    def returned(self) -> set[str]:
        """Boards that were started again, and are ready for another life."""
        found, self._returned = self._returned, set()
        return found

    def warnings(self) -> list[str]:
        """What was refused, and kernels that a board does not have."""
        asked = self._setup.kernels
        told = [
            f"device {name} has no kernels {asked!r}: it used {used!r}"
            for name, used in self._prepared.items()
            if used != asked
        ]
        told += [f"device {name} did not come back: {why}" for name, why in self._failed.items()]
        return [*told, *([] if self._reception is None else self._reception.refusals())]

    def facts(self) -> dict[str, dict[str, Any]]:
        """What each board said of itself when it joined, and its highest temperature since."""
        return {
            name: {**msgspec.to_builtins(session.facts), "hottest_c": session.hottest_c}
            for name, session in sorted(self._known.items())
        }

    def end(self, leaving: Iterable[str] = ()) -> None:
        """Have the boards end all processes, and close the port."""
        if self._reception is not None:
            self._reception.dismiss(DISMISS_S)
            self._reception.port.close()

    def _tell(self, device: str, note: Any) -> None:
        session = self._sessions.get(device)
        if session is not None and self._reception is not None:
            self._reception.tell(session, note)

    def _joined(self, session: Session) -> None:
        """Have a board get ready; if it was there before, its former lives are over."""
        for where in self._called:
            if where.rpartition("#")[0] == session.name and self.exit_code(where) is None:
                birth = int(where.rpartition("#")[2])
                self._seen[where] = notes.Process(birth, GONE)
        self._prepared.pop(session.name, None)
        self._known[session.name] = session
        self._tell(session.name, notes.Deploy(self._blueprint))

    def _hear(self, session: Session, note: notes.FromBoard) -> None:
        name = session.name
        if isinstance(note, notes.Want):
            self._serve(session, note)
        elif isinstance(note, notes.Prepared):
            self._prepared[name] = note.kernels
            if any(where.rpartition("#")[0] == name for where in self._called):
                self._returned.add(name)
                log.info("%s is back, and ready for another life", name)
        elif isinstance(note, notes.Process):
            where = address(name, note.birth)
            if where in self._called and self.exit_code(where) is None:
                self._seen[where] = note
        elif isinstance(note, notes.Failed):
            self._failed[name] = note.reason

    def _serve(self, session: Session, want: notes.Want) -> None:
        """Send a piece of a file of weights, if the run has it."""
        assert self._reception is not None
        if want.sha256 not in self._wanted:
            self._reception.port.refuse("wish for weights of no stage", session.name)
            return
        if want.sha256 not in self._content:
            self._content[want.sha256] = self._weights(want.sha256)
        content = self._content[want.sha256]
        piece = content[want.offset : want.offset + notes.CHUNK_BYTES]
        chunk = notes.Chunk(want.sha256, want.offset, len(content), piece)
        self._reception.tell(session, chunk)


def entrance(boards: Boards, keys: KeyFolder) -> tuple[Remote, dict[bytes, str]]:
    """How boards are let in: keys of this machine, and the list of those that are allowed.

    Raises
    ------
    UsageError
        If the host has no keys, or none are allowed.
    """
    if not boards.curve:
        return Remote(None), {}
    return Remote(keys.own(HOST)), keys.allowed()
