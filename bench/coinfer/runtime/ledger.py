"""Accounts of every request, kept by the source until the run is over."""

from __future__ import annotations

from dataclasses import dataclass, field

from coinfer.contract import Answer
from coinfer.runtime.record import Record
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Loss, Path, Spent


@dataclass(slots=True)
class Entry:
    """One request under way."""

    request: int
    item: int
    label: int
    intended_ns: int
    started_ns: int
    job: int = -1
    status: str = ""
    answer: Answer | None = None
    prediction: int = -1
    answered_ns: int | None = None
    first_answer_ns: int | None = None
    path: Path | None = None
    arrived: set[str] | None = field(default_factory=set)
    """Stages; None once the request is settled, as only the answer's are asked for."""
    used: frozenset[str] = frozenset()
    bytes_up: int = 0
    bytes_down: int = 0
    bytes_peer: int = 0
    messages: int = 0
    control_messages: int = 0
    frame_bytes: int = 0
    macs: int = 0


class Ledger:
    """Requests by number; so many first ones are the warm-up."""

    def __init__(self, topology: Topology, warm_up: int = 0) -> None:
        self._topology = topology
        self._warm_up = warm_up
        self.entries: dict[int, Entry] = {}
        # Answers rest on few different sets of stages: requests share them.
        self._used: dict[frozenset[str], frozenset[str]] = {}

    def open(self, request: int, item: int, label: int, intended_ns: int, now_ns: int) -> None:
        """Begin a request."""
        self.entries[request] = Entry(request, item, label, intended_ns, now_ns)

    def settled(self, request: int) -> bool:
        """Whether nothing can change its status any more."""
        return bool(self.entries[request].status)

    def arrived(self, rows: tuple[int, ...], stage: str) -> None:
        """Note that the output of a stage is there for these requests."""
        for row in rows:
            stages = self.entries[row].arrived
            if stages is not None:
                stages.add(stage)

    def answer(self, request: int, answer: Answer, now_ns: int, path: Path) -> None:
        """Note an answer; a final one settles the request."""
        entry = self.entries[request]
        entry.answer = answer
        entry.prediction = answer.labels[answer.rows.index(request)]
        entry.answered_ns = now_ns
        entry.path = path.plus(queue=path.origin_ns - entry.intended_ns)
        used = frozenset(entry.arrived or ())
        entry.used = self._used.setdefault(used, used)
        if entry.first_answer_ns is None:
            entry.first_answer_ns = now_ns
        if answer.final:
            entry.status = "degraded" if answer.degraded else "ok"
            entry.arrived = None

    def close(self, request: int, status: str) -> None:
        """Settle a request without a final answer; a provisional one stands as degraded."""
        entry = self.entries[request]
        entry.status = "degraded" if entry.answer is not None else status
        entry.arrived = None

    def sent(self, rows: tuple[int, ...], payload: int, frame: int) -> None:
        """Count one message to a device; one without a frame is control."""
        entry = self._message(rows[0], frame)
        entry.control_messages += not frame
        if len(rows) == 1:
            entry.bytes_down += payload
            return
        for row, share in zip(rows, split(payload, len(rows)), strict=True):
            self.entries[row].bytes_down += share

    def received(self, rows: tuple[int, ...], payload: int, frame: int) -> None:
        """Count one message from a device."""
        entry = self._message(rows[0], frame)
        if len(rows) == 1:
            entry.bytes_up += payload
            return
        for row, share in zip(rows, split(payload, len(rows)), strict=True):
            self.entries[row].bytes_up += share

    def lost(self, loss: Loss) -> None:
        """Count one message from a device that was sent in vain."""
        self.received(loss.rows, loss.payload_bytes, loss.frame_bytes)
        self.absorb(loss.spent)

    def absorb(self, spent: Spent) -> None:
        """Add what a device reports to have spent."""
        for row, (macs, payload, messages, frame) in spent.items():
            entry = self.entries[int(row)]
            entry.macs += macs
            entry.bytes_peer += payload
            entry.messages += messages
            entry.frame_bytes += frame

    def _message(self, first: int, frame: int) -> Entry:
        """Count a message on its first row; its payload is shared by all of them."""
        entry = self.entries[first]
        entry.messages += 1
        entry.frame_bytes += frame
        return entry

    def records(self) -> tuple[Record, ...]:
        """One record a request, in order."""
        return tuple(self._record(self.entries[n]) for n in sorted(self.entries))

    def _record(self, entry: Entry) -> Record:
        useful = self._topology.ancestry_macs(entry.used)
        answer = entry.answer
        path = entry.path or Path(entry.intended_ns)
        return Record(
            request=entry.request,
            item=entry.item,
            label=entry.label,
            prediction=entry.prediction,
            status=entry.status,
            intended_ns=entry.intended_ns,
            started_ns=entry.started_ns,
            answered_ns=entry.answered_ns,
            first_answer_ns=entry.first_answer_ns,
            exit=answer.exit if answer else 0,
            present=answer.present if answer else 0,
            bytes_up=entry.bytes_up,
            bytes_down=entry.bytes_down,
            bytes_peer=entry.bytes_peer,
            messages=entry.messages,
            frame_bytes=entry.frame_bytes,
            macs=entry.macs,
            # A device that died took its last report with it: what it ran is then unknown.
            macs_wasted=max(entry.macs - useful, 0),
            compute_ns=path.compute_ns,
            serialise_ns=path.serialise_ns,
            link_ns=path.link_ns,
            queue_ns=path.queue_ns,
            decide_ns=path.decide_ns,
            warm_up=entry.request < self._warm_up,
            control_messages=entry.control_messages,
        )


def split(total: int, parts: int) -> list[int]:
    """Whole shares of `total`, as even as can be.

    Examples
    --------
    >>> split(7, 3)
    [3, 2, 2]
    """
    share, rest = divmod(total, parts)
    return [share + (place < rest) for place in range(parts)]
