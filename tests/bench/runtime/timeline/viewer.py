"""Reads a trace the way Perfetto does, by threads, nesting and arrows; knows none of our code."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any


class Reader:
    """What a viewer makes of a trace; refuses what a viewer would silently misplace."""

    def __init__(self, text: bytes) -> None:
        read = json.loads(text)
        assert set(read) == {"traceEvents", "displayTimeUnit"}
        assert read["displayTimeUnit"] in ("ms", "ns")
        self.threads: dict[int, str] = {}
        self.slices: list[dict[str, Any]] = []
        self.instants: list[dict[str, Any]] = []
        self.flows: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._open: dict[int, list[dict[str, Any]]] = defaultdict(list)
        home: dict[int, int] = {}
        latest: dict[int, int] = defaultdict(int)
        for event in read["traceEvents"]:
            assert isinstance(event["name"], str)
            assert isinstance(event["pid"], int)
            assert isinstance(event["tid"], int)
            assert math.isfinite(event["ts"])
            event["ns"] = int(event["ts"] * 1000)  # truncated, as Perfetto does
            assert abs(event["ts"] * 1000 - event["ns"]) < 1e-3
            if event["ph"] == "M":
                self._told(event)
                continue
            assert event["ns"] >= latest[event["pid"]], "in order of time"
            latest[event["pid"]] = event["ns"]
            assert event["tid"] in self.threads, "every thread has a name"
            assert home.setdefault(event["tid"], event["pid"]) == event["pid"]
            {"X": self._slice, "i": self._instant}.get(event["ph"], self._flow)(event)
        for number, flow in self.flows.items():
            assert [e["ph"] for e in flow] == ["s", *["t"] * (len(flow) - 2), "f"], number

    def _told(self, event):
        assert event["name"] in (
            *("process_name", "process_labels", "process_sort_index"),
            *("thread_name", "thread_sort_index"),
        )
        if event["name"] == "thread_name":
            assert event["tid"] not in self.threads
            self.threads[event["tid"]] = event["args"]["name"]

    def _slice(self, event):
        length = int(event["dur"] * 1000)
        event |= {"begin": event["ns"], "end": event["ns"] + length}
        event["track"] = self.threads[event["tid"]].partition(" (")[0]
        open_ = self._open[event["tid"]]
        while open_ and open_[-1]["end"] <= event["begin"]:
            open_.pop()
        if open_:
            assert event["end"] <= open_[-1]["end"], "nests, or a viewer drops it"
        event |= {"depth": len(open_), "outer": open_[0] if open_ else event}
        open_.append(event)
        self.slices.append(event)

    def _instant(self, event):
        assert event["s"] == "t"
        self.instants.append(event)

    def _flow(self, event):
        assert event["ph"] in "stf"
        bound = self._open[event["tid"]][-1]
        assert bound["begin"] <= event["ns"] <= bound["end"], "an arrow has a slice to stick to"
        if event["ph"] == "s":
            assert bound["end"] - event["ns"] <= 1, "it leaves where the sender ends"
        else:
            assert event["ns"] == bound["begin"], "and arrives where the receiver begins"
        if event["ph"] == "f":
            assert event["bp"] == "e"
        event["bound"] = bound
        self.flows[event["id"]].append(event)

    def on(self, track, *, depth=0):
        return [s for s in self.slices if s["track"] == track and s["depth"] == depth]


def back_from(read, slice_, parts):
    """Follow the arrows back from a slice; sums up what the time went into."""
    for inner in read.slices:
        within = slice_["begin"] <= inner["begin"] and inner["end"] <= slice_["end"]
        if inner["tid"] == slice_["tid"] and inner["depth"] == 1 and within:
            parts[inner["cat"]] += inner["end"] - inner["begin"]
    arrows = [flow for flow in read.flows.values() if flow[-1]["bound"]["end"] == slice_["begin"]]
    arrows = [f for f in arrows if f[-1]["bound"]["track"] == f"{slice_['track']} queue"]
    if not arrows:
        # Nothing came for it: it waited for its device, or what it needs was made there.
        whose = slice_["name"].partition("#")[2]
        bars = [s for s in read.on(f"{slice_['track']} queue") if s["name"] == slice_["name"]]
        begin = next((s["begin"] for s in bars if s["end"] == slice_["begin"]), slice_["begin"])
        parts["queue"] += slice_["begin"] - begin
        made = [s for s in read.on(slice_["track"]) if s["end"] == begin]
        made = [s for s in made if s["name"].partition("#")[2] == whose and s["begin"] < begin]
        return back_from(read, made[0], parts) if made else begin
    *way, last = arrows[-1]
    parts["queue"] += last["bound"]["end"] - last["bound"]["begin"]
    start = way[0]["bound"]["outer"]
    waited = [s for s in read.slices if s["cat"] == "queue" and s["track"].endswith(" queue")]
    channels = {f"{step['bound']['track']} queue" for step in way[1:]}
    held = sum(
        s["end"] - s["begin"]
        for s in waited
        if s["track"] in channels and start["end"] <= s["begin"] and s["end"] <= last["ns"]
        if s["name"] == way[1]["bound"]["name"]
    )
    parts["queue"] += held
    parts["link"] += last["ns"] - start["end"] - held
    return back_from(read, start, parts)
