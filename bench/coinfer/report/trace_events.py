"""Slices and arrows as events of the Trace Event Format, which Perfetto and Chrome draw.

The format is described in "Trace Event Format", https://docs.google.com/document/d/
1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Of it are used complete events (X), instants (i),
flows (s, t, f) and metadata (M). Readers take what overlaps on one thread for nested, so what
does not nest gets a thread of its own: a lane.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Event = dict[str, Any]

# Colours of chrome://tracing; Perfetto colours by name.
COLOURS: Final = {"wasted": "terrible", "lost": "black", "queue": "grey", "fault": "bad"}


@dataclass(eq=False)
class Slice:
    """A stretch of time on a track; a mark where it has no length.

    Attributes
    ----------
    track : str
    name : str
    category : str
    begin_ns, end_ns : int
    args : dict
        What a reader shows of it.
    inner : list of Slice
        Parts of it, one after another.
    tid : int
        Its lane, once drawn.
    """

    track: str
    name: str
    category: str
    begin_ns: int
    end_ns: int
    args: dict[str, Any] = field(default_factory=dict)
    inner: list[Slice] = field(default_factory=list)
    tid: int = 0


class Sheet:
    """One process of a trace: the tracks of a cell.

    Parameters
    ----------
    pid : int
    name : str
    labels : str
        Said beside the name.
    tracks : sequence of str
        All tracks that there may be, from the top down.
    """

    def __init__(self, pid: int, name: str, labels: str, tracks: Sequence[str]) -> None:
        self._pid = pid
        self._name = name
        self._labels = labels
        self._tracks = tracks
        self._slices: list[Slice] = []
        self._arrows: list[tuple[str, list[Slice]]] = []
        self._instants: list[tuple[str, int, str, dict[str, Any]]] = []

    def slice(self, made: Slice) -> Slice:
        """Add a slice."""
        self._slices.append(made)
        return made

    def arrow(self, name: str, through: list[Slice]) -> None:
        """Add an arrow: from the end of the first slice to the beginnings of all others."""
        self._arrows.append((name, through))

    def instant(self, track: str, at_ns: int, name: str, args: dict[str, Any]) -> None:
        """Add a moment, marked on the first lane of a track."""
        self._instants.append((track, at_ns, name, args))

    def events(self, origin_ns: int, first_id: int) -> list[Event]:
        """Everything as events; metadata first, then in the order in which a reader wants them.

        Parameters
        ----------
        origin_ns : int
            What becomes 0.
        first_id : int
            For threads and arrows: readers want numbers that no other process has.
        """
        lanes = self._lanes(first_id)
        # Parents before what they hold, and slices before the arrows that touch them.
        timed = sorted(
            [
                *((s.begin_ns, 0, s.begin_ns - s.end_ns, self._drawn(s)) for s in self._flat()),
                *((at_ns, 1, 0, event) for at_ns, event in self._marks(lanes)),
                *((at_ns, 2, 0, event) for at_ns, event in self._flows(first_id)),
            ],
            key=lambda entry: entry[:3],
        )
        events = [*self._metadata(lanes)]
        for at_ns, _, minus_ns, event in timed:
            event["ts"] = microseconds(at_ns - origin_ns)
            if event["ph"] == "X":
                event["dur"] = microseconds(-minus_ns)
            events.append(event)
        return events

    def _lanes(self, first_id: int) -> list[tuple[int, str]]:
        """Give every slice a thread; returns the threads with their names."""
        lanes: list[tuple[int, str]] = []
        place = {track: number for number, track in enumerate(self._tracks)}
        by_track: dict[str, list[Slice]] = {}
        for track, _, _, _ in self._instants:
            by_track.setdefault(track, [])
        for one in self._slices:
            by_track.setdefault(one.track, []).append(one)
        for track in sorted(by_track, key=place.__getitem__):
            free_ns: list[int] = []
            first = first_id + len(lanes)
            for one in sorted(by_track[track], key=lambda s: (s.begin_ns, s.end_ns)):
                lane = next((n for n, ns in enumerate(free_ns) if ns <= one.begin_ns), None)
                if lane is None:
                    lane = len(free_ns)
                    free_ns.append(0)
                # A mark takes a nanosecond, or an arrow to it could not be told from another's.
                free_ns[lane] = max(one.end_ns, one.begin_ns + 1)
                for drawn in (one, *one.inner):
                    drawn.tid = first + lane
            for lane in range(max(len(free_ns), 1)):
                lanes.append((first + lane, f"{track} ({lane + 1})" if lane else track))
        return lanes

    def _metadata(self, lanes: list[tuple[int, str]]) -> Iterator[Event]:
        def told(what: str, tid: int, **args: Any) -> Event:
            return {"ph": "M", "name": what, "pid": self._pid, "tid": tid, "ts": 0, "args": args}

        yield told("process_name", 0, name=self._name)
        yield told("process_labels", 0, labels=self._labels)
        yield told("process_sort_index", 0, sort_index=self._pid)
        for tid, name in lanes:
            yield told("thread_name", tid, name=name)
            yield told("thread_sort_index", tid, sort_index=tid)

    def _flat(self) -> Iterator[Slice]:
        for one in self._slices:
            yield one
            yield from one.inner

    def _drawn(self, one: Slice) -> Event:
        event = {
            "ph": "X",
            "name": one.name,
            "cat": one.category,
            "pid": self._pid,
            "tid": one.tid,
            "args": one.args,
        }
        colour = COLOURS.get(one.category)
        return event | ({"cname": colour} if colour else {})

    def _marks(self, lanes: list[tuple[int, str]]) -> Iterator[tuple[int, Event]]:
        tids = {name: tid for tid, name in lanes}
        for track, at_ns, name, args in self._instants:
            yield (
                at_ns,
                {
                    "ph": "i",
                    "s": "t",
                    "name": name,
                    "cat": "mark",
                    "pid": self._pid,
                    "tid": tids[track],
                    "args": args,
                },
            )

    def _flows(self, first_id: int) -> Iterator[tuple[int, Event]]:
        for number, (name, (start, *through)) in enumerate(self._arrows):
            base = {"name": name, "cat": "message", "id": first_id + number, "pid": self._pid}
            # Just before the end, where a reader still finds the slice that it leaves.
            last_ns = max(start.end_ns - 1, start.begin_ns)
            yield last_ns, {"ph": "s", "tid": start.tid, **base}
            for one in through[:-1]:
                yield one.begin_ns, {"ph": "t", "tid": one.tid, **base}
            for one in through[-1:]:
                yield one.begin_ns, {"ph": "f", "bp": "e", "tid": one.tid, **base}


def microseconds(ns: int) -> float:
    """Nanoseconds in the unit of the format, such that a reader which truncates gets them back.

    Examples
    --------
    >>> microseconds(1001)
    1.0010000000000001
    >>> int(1.001 * 1000), int(microseconds(1001) * 1000)
    (1000, 1001)
    """
    value = ns / 1000
    while int(value * 1000) < ns:
        value = math.nextafter(value, math.inf)
    return value
