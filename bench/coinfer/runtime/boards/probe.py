"""Looks at boards: what they say of themselves, the way to them, and how fast they are."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from coinfer.cluster import Cluster
from coinfer.contract import Deployment
from coinfer.errors import ExecutionError, UsageError
from coinfer.runtime.boards import notes
from coinfer.runtime.boards.crew import DISMISS_S, entrance
from coinfer.runtime.boards.keys import KeyFolder
from coinfer.runtime.boards.notes import Facts
from coinfer.runtime.boards.reception import Reception, Session
from coinfer.runtime.realtime.gate import Gate
from coinfer.runtime.topology import Topology

ROUND_TRIPS: Final = 50
BULKS: Final = 8
ANSWER_S: Final = 60.0
"""Longest wait for an answer: the reference kernel begins with importing torch."""


class Probed(msgspec.Struct, frozen=True):
    """A board as it was found.

    Attributes
    ----------
    name : str
    facts : Facts
    round_trip_us : float
        Median of notes without content, Python on both ends included.
    down_bps, up_bps : float
        Rates of large notes to and from the board, the round trip taken off.
    reference_macs_per_s : float
        Of the reference kernel on one thread: what ``times_reference`` multiplies, and what a
        board would be given as ``macs_per_s``.
    """

    name: str
    facts: Facts
    round_trip_us: float
    down_bps: float
    up_bps: float
    reference_macs_per_s: float


def probe(cluster: Cluster, keys: KeyFolder | None = None) -> list[Probed]:
    """Wait for the boards of a cluster, and look at one after another.

    Parameters
    ----------
    cluster : Cluster
    keys : KeyFolder, optional
        The user's.

    Returns
    -------
    list of Probed
        Those that joined in time.

    Raises
    ------
    UsageError
        If the cluster has no boards, or keys are missing.
    ExecutionError
        If the address cannot be bound, or a board that joined does not answer.
    """
    if cluster.boards is None:
        raise UsageError("this cluster has no boards; give an inventory file")
    with _opened(cluster, keys or KeyFolder()) as prober:
        prober.reception.pump(
            cluster.boards.join_s, lambda: {*cluster.names} <= {*prober.reception.sessions}
        )
        found = [prober.probe(name) for name in cluster.names if name in prober.reception.sessions]
    return found


class _Prober:
    def __init__(self, cluster: Cluster, keys: KeyFolder) -> None:
        assert cluster.boards is not None
        remote, allowed = entrance(cluster.boards, keys)
        topology = Topology(Deployment((), (), _no_fusion), cluster.names)
        gate = Gate(secrets.randbits(62), topology, (1,), 1, 1, hub=False)
        self._answer: Any = None
        self._numbers = iter(range(1 << 62))
        self.reception = Reception(
            cluster.boards.bind, gate, cluster.names, remote, allowed, _nothing, self._hear
        )

    def probe(self, name: str) -> Probed:
        session = self.reception.sessions[name]
        trip_ns = statistics.median(self._echo_ns(session) for _ in range(ROUND_TRIPS))
        bulk = bytes(notes.CHUNK_BYTES)
        down_ns = statistics.median(self._echo_ns(session, bulk) for _ in range(BULKS))
        up_ns = statistics.median(self._echo_ns(session, wanted=len(bulk)) for _ in range(BULKS))
        speed = self._ask(session, notes.Measure())
        return Probed(
            name,
            session.facts,
            round_trip_us=trip_ns / 1e3,
            down_bps=_bps(down_ns - trip_ns),
            up_bps=_bps(up_ns - trip_ns),
            reference_macs_per_s=speed.reference_macs * 1e9 / max(speed.reference_ns, 1),
        )

    def _echo_ns(self, session: Session, payload: bytes = b"", wanted: int = 0) -> int:
        begin_ns = time.monotonic_ns()
        self._ask(session, notes.Echo(next(self._numbers), payload, wanted))
        return time.monotonic_ns() - begin_ns

    def _ask(self, session: Session, note: notes.Echo | notes.Measure) -> Any:
        self._answer = None
        self.reception.tell(session, note)
        if not self.reception.pump(ANSWER_S, lambda: self._answers(note)):
            raise ExecutionError(f"{session.name} joined, and did not answer within {ANSWER_S:g} s")
        return self._answer

    def _answers(self, asked: notes.Echo | notes.Measure) -> bool:
        answer = self._answer
        if isinstance(asked, notes.Measure):
            return isinstance(answer, notes.Speed)
        return isinstance(answer, notes.Echo) and answer.number == asked.number

    def _hear(self, session: Session, note: notes.FromBoard) -> None:
        self._answer = note


@contextmanager
def _opened(cluster: Cluster, keys: KeyFolder) -> Iterator[_Prober]:
    prober = _Prober(cluster, keys)
    try:
        yield prober
        prober.reception.dismiss(DISMISS_S)
    finally:
        prober.reception.port.close()


def _bps(bulk_ns: float) -> float:
    return 8e9 * notes.CHUNK_BYTES / max(bulk_ns, 1)


def _nothing(session: Session) -> None:
    """Nothing is deployed by a probe."""


def _no_fusion(_: Any) -> Any:
    raise AssertionError("a probe runs nothing")
