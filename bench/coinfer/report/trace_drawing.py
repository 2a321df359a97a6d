"""One cell as slices and arrows: what its spans, records and faults look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from coinfer.report.trace_events import Event, Sheet, Slice
from coinfer.store import Record, Span, StoredCell

SOURCE: Final = "source"
ENDS: Final = ("crash", "out-of-memory")
"""Faults that cut off what a device computes."""

Message: TypeAlias = tuple[int, str, str, int, str, tuple[int, ...], str]


class Traced(NamedTuple):
    """A cell with what is needed to draw it."""

    stored: StoredCell
    records: tuple[Record, ...]
    spans: tuple[Span, ...]


class Drawing:
    """One cell being drawn."""

    def __init__(self, cell: Traced, pid: int, differing: Sequence[str]) -> None:
        self._cell = cell.stored.cell
        self._faults: list[dict[str, Any]] = cell.stored.notes.get("faults", [])
        self._spans = cell.spans
        self._records = {record.request: record for record in cell.records}
        self._begin_ns = min(
            *(r.intended_ns for r in cell.records), *(s.begin_ns for s in cell.spans)
        )
        self._end_ns = max(s.end_ns for s in cell.spans)
        at = self._cell.coordinates
        name = " ".join([str(at["method"]), *(f"{a}={at[a]}" for a in differing if a != "method")])
        labels = f"from {self._begin_ns / 1e6:.3f} ms of the run; {self._cell.key}"
        self._sheet = Sheet(pid, name, labels, self._tracks())
        self._ended: dict[tuple[str, int, int], Slice] = {}
        self._shared: dict[tuple[Any, ...], Slice] = {}
        self._waits: dict[tuple[str, int], list[Span]] = {}

    def events(self, first_id: int) -> list[Event]:
        """All that there is to see."""
        self._draw_requests()
        self._draw_faults()
        self._draw_computations()
        self._draw_messages()
        return self._sheet.events(self._begin_ns, first_id)

    def _tracks(self) -> list[str]:
        """Names of all tracks, in the order in which they stand."""
        channels = list(dict.fromkeys(s.track for s in self._spans if s.kind in ("link",)))
        tracks = ["requests", "faults"]
        for name in (SOURCE, *self._cell.cluster.names):
            tracks += [name, f"{name} queue", f"{name} orders"]
            own = [c for c in channels if c in (f"down:{name}", f"up:{name}")]
            channels = [c for c in channels if c not in own]
            tracks += [f"{c}{what}" for c in own for what in ("", " queue", " in flight")]
        tracks += [f"{c}{what}" for c in channels for what in ("", " queue", " in flight")]
        return [*tracks, "transport"]

    # Requests and faults

    def _draw_requests(self) -> None:
        deadline_ns = round(self._cell.deadline_ms * 1e6)
        for record in self._records.values():
            end_ns = record.answered_ns
            if end_ns is None:
                failed = record.status == "failed"
                end_ns = record.started_ns if failed else record.intended_ns + deadline_ns
            args = {
                name: getattr(record, name)
                for name in ("item", "label", "prediction", "exit", "present", "messages")
            } | {
                f"{part}_ms": getattr(record, f"{part}_ns") / 1e6
                for part in ("compute", "serialise", "link", "queue", "decide")
            }
            name = f"request {record.request}: {record.status}"
            category = "request" if record.answered_ns is not None else "lost"
            self._sheet.slice(Slice("requests", name, category, record.intended_ns, end_ns, args))
            first_ns = record.first_answer_ns
            if first_ns is not None and first_ns != record.answered_ns:
                told = f"request {record.request}: provisional answer"
                self._sheet.instant("requests", first_ns, told, {})

    def _draw_faults(self) -> None:
        """Faults that last while something is seen, and when they were noticed."""
        for fault in self._faults:
            begin_ns = fault.get("injected_ns")
            if begin_ns is None or begin_ns > self._end_ns:
                continue
            planned = fault.get("planned") or {}
            end_ns = fault.get("recovered_ns")
            if end_ns is None:
                duration_ns = planned.get("duration_ns")
                end_ns = begin_ns + duration_ns if duration_ns else self._end_ns
            if end_ns < self._begin_ns:
                continue
            name = f"{fault['kind']} {fault['target']}"
            told = {k: v for k, v in fault.items() if k in ("landed", "observed")}
            seen = max(begin_ns, self._begin_ns), min(end_ns, self._end_ns)
            self._sheet.slice(Slice("faults", name, "fault", *seen, told))
            if begin_ns >= self._begin_ns:
                self._sheet.instant(fault["target"], begin_ns, name, told)
            detected_ns = fault.get("detected_ns")
            if detected_ns is not None and self._begin_ns <= detected_ns <= self._end_ns:
                self._sheet.instant(SOURCE, detected_ns, f"{fault['target']} believed lost", {})

    # Computations

    def _draw_computations(self) -> None:
        steps: dict[tuple[str, int], list[Span]] = {}
        for span in self._spans:
            if span.step >= 0:
                steps.setdefault((span.track, span.step), []).append(span)
        for (track, _), spans in steps.items():
            queue, *parts = sorted(spans, key=lambda s: (s.kind != "queue", s.begin_ns, s.end_ns))
            end_ns = max([queue.end_ns, *(part.end_ns for part in parts)])
            end_ns = self._cut_ns(track, queue.end_ns, end_ns) if queue.lost else end_ns
            fate = self._fate(queue, end_ns)
            name = named(queue, fate)
            args = {"requests": list(queue.rows), "job": queue.job}
            step = Slice(track, name, fate or "computation", queue.end_ns, end_ns, args)
            for part in parts:
                ends_ns = min(part.end_ns, end_ns)
                if part.begin_ns < ends_ns:
                    inner = Slice(track, part.kind, part.kind, part.begin_ns, ends_ns)
                    step.inner.append(inner)
            self._sheet.slice(step)
            if not queue.lost:
                self._ended[track, queue.job, end_ns] = step
            self._waits.setdefault((track, queue.job), []).append(queue)

    def _fate(self, queue: Span, end_ns: int) -> str:
        """What is to be said of a computation that no answer could rest on."""
        if queue.lost:
            return "lost"
        answers = [self._records[row].answered_ns for row in queue.rows if row in self._records]
        useful = any(answer is not None and end_ns <= answer for answer in answers)
        return "" if useful else "wasted"

    def _cut_ns(self, track: str, begin_ns: int, end_ns: int) -> int:
        """When a computation was cut off that would have ended then."""
        falls: list[int] = [
            fault["injected_ns"]
            for fault in self._faults
            if fault["target"] == track and fault["kind"] in ENDS and fault["injected_ns"]
        ]
        return min([end_ns, *(ns for ns in falls if begin_ns <= ns)])

    # Messages

    def _draw_messages(self) -> None:
        messages: dict[Message, list[Span]] = {}
        for span in self._spans:
            if span.step < 0:
                key = (span.job, span.sender, span.to, span.sent_ns, span.label, span.rows)
                messages.setdefault((*key, span.part), []).append(span)
        waited: set[tuple[str, int, int]] = set()
        for spans in messages.values():
            first, arrival = spans[0], next((s for s in spans if s.kind == "arrival"), None)
            way = [self._sender(first)]
            if arrival is None:
                way += self._links(spans, None)
            else:
                there_ns = self._there_ns(spans, arrival)
                way += self._links(spans, there_ns) or self._transport(arrival)
                way.append(self._sheet.slice(self._inbox(arrival, there_ns)))
                waited.add((arrival.track, arrival.begin_ns, way[-1].end_ns))
            self._sheet.arrow(first.label, way)
        # What waited for a device and for no message: the next stage of it, the source's own.
        for queue in [wait for waits in self._waits.values() for wait in waits]:
            bounds = queue.begin_ns, queue.end_ns
            if queue.begin_ns < queue.end_ns and (queue.track, *bounds) not in waited:
                self._sheet.slice(Slice(f"{queue.track} queue", named(queue), "queue", *bounds))

    def _sender(self, span: Span) -> Slice:
        """The computation that a message comes from; a mark where there was none."""
        known = self._ended.get((span.sender, span.job, span.sent_ns))
        if known is None:
            track, at_ns = f"{span.sender} orders", span.sent_ns
            known = self._sheet.slice(Slice(track, named(span), "order", at_ns, at_ns))
            self._ended[span.sender, span.job, at_ns] = known
        return known

    def _there_ns(self, spans: list[Span], arrival: Span) -> int:
        """When a message was there; a device that is paused does not look at it until later."""
        across_ns = max((s.end_ns for s in spans if s.kind == "latency"), default=None)
        for fault in self._faults:
            begin_ns, planned = fault.get("injected_ns"), fault.get("planned") or {}
            if (fault["kind"], fault["target"]) == (
                "pause",
                arrival.track,
            ) and begin_ns is not None:
                end_ns = begin_ns + planned["duration_ns"]
                if across_ns is not None and begin_ns <= across_ns < end_ns:
                    return across_ns
        return arrival.begin_ns

    def _transport(self, arrival: Span) -> list[Slice]:
        """The way of a message where links are not modelled."""
        bounds = arrival.sent_ns, arrival.begin_ns
        made = Slice("transport", named(arrival), "link", *bounds, _told(arrival))
        return [self._sheet.slice(made)]

    def _links(self, spans: list[Span], there_ns: int | None) -> list[Slice]:
        """The channels that a message takes, what it waits for them, and when it is between them.

        Several receivers of one transmission share what is drawn.
        """
        across_ns = max((s.end_ns for s in spans if s.kind == "latency"), default=0)
        way = []
        for span in spans:
            begin_ns, end_ns = span.begin_ns, span.end_ns
            if span.kind == "link":
                args = _told(span) | {"attempt": span.attempt}
                fate = "lost" if span.lost else ""
                way.append(
                    self._once(
                        span,
                        "",
                        Slice(
                            span.track, named(span, fate), fate or "link", begin_ns, end_ns, args
                        ),
                    )
                )
            elif span.kind == "queue" and begin_ns < end_ns:
                self._once(
                    span,
                    "queue",
                    Slice(f"{span.track} queue", named(span), "queue", begin_ns, end_ns),
                )
            elif span.kind == "latency":
                if end_ns == across_ns and there_ns is not None:
                    end_ns = max(end_ns, there_ns)
                if begin_ns < end_ns:
                    self._once(
                        span,
                        "latency",
                        Slice(f"{span.track} in flight", named(span), "latency", begin_ns, end_ns),
                    )
        return way

    def _once(self, span: Span, what: str, made: Slice) -> Slice:
        """What was drawn for this transmission already, or else this."""
        whose = span.sender, span.sent_ns, span.label, span.rows, span.part
        key = (what, made.track, made.begin_ns, made.end_ns, *whose)
        if key not in self._shared:
            self._shared[key] = self._sheet.slice(made)
        return self._shared[key]

    def _inbox(self, arrival: Span, there_ns: int) -> Slice:
        """A message from when it is there until a computation takes it; a mark if none does."""
        track, at_ns = arrival.track, arrival.begin_ns
        if arrival.lost:
            return Slice(f"{track} queue", named(arrival, "lost"), "lost", at_ns, at_ns)
        takers = [
            wait.end_ns
            for wait in self._waits.get((track, arrival.job), ())
            if arrival.label in wait.inputs
            and (wait.begin_ns == at_ns if track == SOURCE else wait.end_ns >= at_ns)
        ]
        bounds = there_ns, min(takers, default=at_ns)
        return Slice(f"{track} queue", named(arrival), "queue", *bounds, _told(arrival))


def named(span: Span, fate: str = "") -> str:
    """What something is, and for which request; Perfetto colours names without their numbers."""
    more = f"+{len(span.rows) - 1}" if len(span.rows) > 1 else ""
    whose = f" #{span.rows[0]}{more}" if span.rows else ""
    return (f"{fate}: " if fate else "") + span.label.rstrip(":") + whose


def _told(span: Span) -> dict[str, Any]:
    return {
        "requests": list(span.rows),
        "from": span.sender,
        "to": span.to,
        "payload_bytes": span.payload_bytes,
    }
