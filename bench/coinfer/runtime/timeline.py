"""The timeline of chosen requests: what their computations and messages did, and when.

Reactors tell it, so that it is the same in every mode. It changes nothing that they do; without
chosen requests there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from coinfer.contract import Stage, gate_of
from coinfer.runtime.channels import Passage
from coinfer.runtime.context import Done
from coinfer.runtime.meter import Meter
from coinfer.runtime.record import Span
from coinfer.runtime.wire import Data, Envelope

NO_JOB: Final = -1
"""Of what belongs to no request, such as the stages that a device is sent; always kept."""

STEPS_A_LIFE: Final = 1 << 32

MOST_SPANS: Final = 100_000
"""No job is begun any more when there are so many; those that were are kept whole."""


class Computation(NamedTuple):
    """A computation, and what it waited for.

    Attributes
    ----------
    job : int
    rows : tuple of int
    label : str
        Stage, or what the source thinks about.
    inputs : tuple of str
        Labels of the messages that it takes.
    at_ns : int
        When it could have begun, had its device been free.
    """

    job: int
    rows: tuple[int, ...]
    label: str
    inputs: tuple[str, ...]
    at_ns: int


class _Open(NamedTuple):
    what: Computation
    step: int
    started_ns: int
    meter: Meter


class Timeline:
    """Spans of chosen requests, as one process sees them.

    Parameters
    ----------
    requests : iterable of int
        A job with one of them is kept with all its requests.
    birth : int
        How many times the device has come back by now, where each life has a timeline of its own.
    """

    def __init__(self, requests: Iterable[int], birth: int = 0) -> None:
        self._requests = frozenset(requests)
        self._jobs = {NO_JOB}
        self._first_step = birth * STEPS_A_LIFE
        self._steps: Counter[str] = Counter()
        self._open: dict[str, _Open] = {}
        self._spans: list[Span] = []
        self._taken = 0

    @classmethod
    def of(cls, requests: tuple[int, ...], birth: int = 0) -> Timeline | None:
        """Timeline of these requests; none where there are none."""
        return cls(requests, birth) if requests else None

    def holds(self, job: int, rows: Sequence[int]) -> bool:
        """Whether what happens to these rows of a job is kept."""
        if job in self._jobs:
            return True
        if self._requests.isdisjoint(rows) or self._taken + len(self._spans) >= MOST_SPANS:
            return False
        self._jobs.add(job)
        return True

    def begin(self, track: str, what: Computation, now_ns: int, meter: Meter) -> None:
        """Note that a computation begins, before its meter has run."""
        self._cut(track)
        meter.parts = []
        step = self._first_step + self._steps[track]
        self._open[track] = _Open(what, step, now_ns, meter)
        self._steps[track] += 1

    def end(self, track: str, done: Done) -> None:
        """Note the end of a computation, if it is one of those that count."""
        known = self._open.get(track)
        if known is not None and known.meter is done.meter:
            del self._open[track]
            self._computed(track, known, done.ended_ns, lost=False)

    def crossed(
        self, channel: str, at_ns: int, passage: Passage, envelope: Envelope, attempt: int
    ) -> None:
        """Note an attempt to cross a link for which a message was ready at `at_ns`."""
        if self.holds(envelope.body.job, envelope.body.rows):
            begin_ns, free_ns, lost = passage.begin_ns, passage.free_ns, passage.lost
            self._message("queue", channel, at_ns, begin_ns, envelope, attempt)
            self._message("link", channel, begin_ns, free_ns, envelope, attempt, lost=lost)
            if not lost:
                self._message("latency", channel, free_ns, passage.end_ns, envelope, attempt)

    def arrived(self, track: str, envelope: Envelope, now_ns: int, *, lost: bool = False) -> None:
        """Note that a message has come to its receiver, or that a fault has taken it there."""
        if self.holds(envelope.body.job, envelope.body.rows):
            self._message("arrival", track, now_ns, now_ns, envelope, lost=lost)

    def take(self) -> list[Span]:
        """What is over since this was last asked for, to be sent away."""
        spans, self._spans = self._spans, []
        self._taken += len(spans)
        return spans

    def spans(self) -> tuple[Span, ...]:
        """Everything noted, in order of time; what is under way never ended."""
        for track in list(self._open):
            self._cut(track)
        return in_order(self._spans)

    def _cut(self, track: str) -> None:
        """Close a computation whose end never came: its device was lost."""
        known = self._open.pop(track, None)
        if known is not None:
            self._computed(track, known, known.started_ns + known.meter.total_ns, lost=True)

    def _computed(self, track: str, known: _Open, ended_ns: int, *, lost: bool) -> None:
        what = known.what

        def span(kind: str, begin_ns: int, end_ns: int, inputs: tuple[str, ...] = ()) -> None:
            self._spans.append(
                Span(
                    kind=kind,
                    track=track,
                    begin_ns=begin_ns,
                    end_ns=end_ns,
                    job=what.job,
                    rows=what.rows,
                    label=what.label,
                    lost=lost,
                    step=known.step,
                    inputs=inputs,
                )
            )

        at_ns = known.started_ns
        span("queue", what.at_ns, at_ns, what.inputs)
        for kind, spent_ns in known.meter.parts or ():
            span(kind, at_ns, at_ns + spent_ns)
            at_ns += spent_ns
        if at_ns < ended_ns:
            span("slip", at_ns, ended_ns)

    def _message(
        self,
        kind: str,
        track: str,
        begin_ns: int,
        end_ns: int,
        envelope: Envelope,
        attempt: int = 1,
        *,
        lost: bool = False,
    ) -> None:
        body = envelope.body
        select = body.select if isinstance(body, Data) else None
        self._spans.append(
            Span(
                kind=kind,
                track=track,
                begin_ns=begin_ns,
                end_ns=end_ns,
                job=body.job,
                rows=body.rows,
                label=body.label,
                lost=lost,
                sender=envelope.sender,
                to=envelope.to,
                sent_ns=envelope.sent_ns,
                part=f"{select.axis}:{select.start}:{select.stop}" if select else "",
                payload_bytes=body.payload_bytes,
                attempt=attempt,
            )
        )


def in_order(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans by time; those of one moment by where they are, and else as they came."""
    return tuple(sorted(spans, key=attrgetter("begin_ns", "end_ns", "track", "step")))


def inputs_of(stage: Stage) -> tuple[str, ...]:
    """Labels of the messages that a stage waits for."""
    gates = [(need, gate_of(need)) for need in stage.needs]
    needs = [need.stage if gate is None else f"permit:{gate}" for need, gate in gates]
    return (*needs, f"start:{stage.id}")
