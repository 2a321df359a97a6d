"""A timeline shows what happened, and changes nothing of it.

The trace is read by a reader of its own, which knows the format and none of our code: it looks at
threads, nesting and arrows the way Perfetto does.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from coinfer.cluster import FaultEvent, FaultList, Workload
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import (
    INPUT,
    After,
    Answer,
    Batching,
    ModuleRef,
    Need,
    Permit,
    Replica,
    Stage,
    Stop,
    permit,
)
from coinfer.errors import UsageError
from coinfer.report import Traced, trace
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.store import RESULT_SCHEMA, StoredCell
from coinfer.store.records import decode_spans, encode_spans
from coinfer.suite import AXES, Cell, MethodChoice
from coinfer.training.modules import build

US, MS = 1_000, 1_000_000
PARTS = ("compute", "serialise", "decide", "slip")


def stage(name, *needs, **more):
    wanted = tuple(n if isinstance(n, Need) else Need(n) for n in needs)
    return Stage(name, ModuleRef("double"), wanted, (4,), **({"macs": 1000} | more))


def answer(name):
    def arrival(rule, arrived, ctx):
        rows = arrived.rows
        return [Answer(rows, rows)] if arrived.stage == name else []

    return arrival


def exits(rule, arrived, ctx):
    """Even requests leave at the first exit, with a stop; the others are told to go on."""
    rows = arrived.rows
    if arrived.stage == "e2":
        return [Answer(rows, rows, exit=2)]
    if arrived.stage != "e1":
        return []
    return [Permit("more", rows)] if rows[0] % 2 else [Answer(rows, rows, exit=1), Stop(rows)]


ONE = ([stage("m", INPUT)], [Replica("m", "d0")], answer("m"))
CHAIN = (
    [stage("a", INPUT, to_source=False), stage("b", "a", to_source=False), stage("c", "b")],
    [Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d2")],
    answer("c"),
)
REPLICAS = (
    [stage("m", INPUT, macs=3000)],
    [Replica("m", "d0"), Replica("m", "d1"), Replica("m", "d2", After(2 * MS))],
    answer("m"),
)
EXITS = (
    [
        stage("b1", INPUT, to_source=False),
        stage("e1", Need("b1", same_device=True)),
        stage("b2", Need("b1", same_device=True), Need(permit("more")), to_source=False),
        stage("e2", Need("b2", same_device=True)),
    ],
    [Replica(s, "d0") for s in ("b1", "e1", "b2", "e2")],
    exits,
)
SPECULATIVE = (
    [
        stage("b1", INPUT, to_source=False),
        stage("e1", Need("b1", same_device=True)),
        stage("b2", Need("b1", same_device=True), to_source=False, macs=9000),
        stage("e2", Need("b2", same_device=True)),
    ],
    [Replica(s, "d0") for s in ("b1", "e1", "b2", "e2")],
    exits,
)


def lasting(kind, target, at_ms, for_ms, **more):
    return FaultEvent(kind, target, at_ms * MS, None, duration_ns=for_ms * MS, **more)


CRASH = (FaultEvent("crash", "d0", 4 * MS, None),)
REJOIN = (*CRASH, FaultEvent("rejoin", "d0", 40 * MS, None))

SCENARIOS: dict[str, tuple[Any, dict[str, Any]]] = {
    "one": (ONE, {}),
    "chain": (CHAIN, {}),
    "chain under load": (CHAIN, {"arrivals_ns": [0, 0, 100 * US, 1 * MS]}),
    "replicas": (REPLICAS, {}),
    "strict exits": (EXITS, {}),
    "speculative exits": (SPECULATIVE, {}),
    "a batch": (CHAIN, {"batching": Batching(rows=2, wait_ns=1 * MS), "arrivals_ns": [0] * 4}),
    "crash": (REPLICAS, {"faults": CRASH}),
    "crash and nobody else": (ONE, {"faults": CRASH, "deadline_ms": 20}),
    "rejoin": (ONE, {"faults": REJOIN, "deadline_ms": 20}),
    "pause": (CHAIN, {"faults": (lasting("pause", "d1", 3, 20),)}),
    "straggle": (CHAIN, {"faults": (lasting("straggle", "d1", 0, 20, factor=3.0),)}),
    "delay": (CHAIN, {"faults": (lasting("delay", "d1", 0, 9, delay_ns=2 * MS),)}),
    "drop": (ONE, {"faults": (lasting("drop", "d0", 0, 9),), "deadline_ms": 20}),
}
LINKS: dict[str, dict[str, Any]] = {
    "lossy": {"loss": 0.4, "on_loss": "retransmit", "retransmit_ms": 1.0},
    "slow": {"up_bps": 8e4, "down_bps": 8e4},
}


def traced(outcome, cluster, requests, deadline_ms=1000) -> Traced:
    coordinates = dict.fromkeys(AXES, 0) | {"method": "toy", "cluster": "toy"}
    cell = Cell(
        key="method=toy",
        coordinates=coordinates,
        method=MethodChoice("toy", "toy", {}),
        cluster_name="toy",
        cluster=cluster,
        faults_name="toy",
        faults=FaultList(),
        workload=Workload(),
        dataset="",
        encoding="raw",
        kernels="reference",
        mode="virtual",
        deadline_ms=deadline_ms,
        train_seed=0,
        run_seed=0,
        repeat=0,
        timeline=requests,
    )
    notes = {"faults": list(outcome.faults)}
    stored = StoredCell(RESULT_SCHEMA, cell, "", "done", notes=notes)
    return Traced(stored, outcome.records, outcome.spans)


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


@pytest.fixture
def seen(world, toy_cluster, toy_costs):
    """Run a scenario of four requests with its timeline; a call of a kernel takes 10 us."""

    def run(what, link=None, **more):
        stages, replicas, fusion = what
        requests = tuple(range(4))
        cluster = toy_cluster(**(link or {}))
        outcome = world.run(
            stages,
            replicas,
            fusion,
            requests=4,
            timeline=requests,
            on=cluster,
            costs=toy_costs(call_macs=10),
            **more,
        )
        cell = traced(outcome, cluster, requests, more.get("deadline_ms", 1000))
        return outcome, Reader(trace([cell]))

    return run


@pytest.mark.parametrize("link", [None, *LINKS.values()], ids=["plain", *LINKS])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_trace_is_one_that_viewers_show_whole(seen, name, link):
    what, more = SCENARIOS[name]
    outcome, read = seen(what, link, **more)
    lanes = set(read.threads.values())
    for busy in ("source", "d0", "d1", "d2"):
        assert f"{busy} (2)" not in lanes, "a device does one thing at a time"
    for channel in ("up:d0", "down:d0", "up:d1", "down:d1", "up:d2", "down:d2"):
        assert f"{channel} (2)" not in lanes, "a channel carries one message at a time"
    assert len(read.on("requests")) == 4
    spent = sum(s["end"] - s["begin"] for s in read.on("d0") if s["cat"] != "lost")
    if not outcome.faults:
        assert spent == outcome.busy_ns["d0"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_recording_changes_nothing(world, toy_cluster, name):
    (stages, replicas, fusion), more = SCENARIOS[name]
    with_, without = (
        world.run(stages, replicas, fusion, requests=4, timeline=chosen, **more)
        for chosen in ((0, 2), ())
    )
    assert with_.trace_sha256 == without.trace_sha256
    assert msgspec.structs.replace(with_, spans=()) == without
    again = world.run(stages, replicas, fusion, requests=4, timeline=(0, 2), **more)
    assert encode_spans(again.spans) == encode_spans(with_.spans)
    assert decode_spans(encode_spans(with_.spans)) == with_.spans


def test_only_chosen_requests_are_kept(world):
    outcome = world.run(*CHAIN, requests=6, timeline=(1, 4))
    assert {row for span in outcome.spans for row in span.rows} == {1, 4}


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


CLOSED = ("one", "chain", "chain under load", "replicas", "strict exits", "speculative exits")


@pytest.mark.parametrize("name", [*CLOSED, "straggle", "pause", "delay"])
def test_following_the_arrows_gives_the_critical_path_of_the_record(seen, name):
    what, more = SCENARIOS[name]
    outcome, read = seen(what, **more)
    for record in outcome.records:
        if record.answered_ns is None:
            continue
        (last,) = [s for s in read.on("source") if s["end"] == record.answered_ns]
        parts: dict[str, int] = defaultdict(int)
        begin = back_from(read, last, parts)
        assert begin == record.started_ns
        assert parts["compute"] + parts["slip"] == record.compute_ns
        assert parts["serialise"] == record.serialise_ns
        assert parts["decide"] == record.decide_ns
        assert parts["link"] == record.link_ns
        assert parts["queue"] == record.queue_ns


def test_a_chain_in_closed_form(seen):
    """Input 16 bytes: 16 us and 1 ms; three stages of 1 ms; two hops, each up and down.

    Whoever sends encodes, and whoever receives decodes, in 10 us.
    """
    _, read = seen(CHAIN)
    first = [s for s in read.slices if s["name"].endswith("#0")]
    hop = 16 * US + 1 * MS
    kernel, stay = 10 * US, 1 * MS + 20 * US
    leaves = [kernel + (1 + 2 * n) * hop + (1 + n) * stay for n in range(3)]
    for device, end in zip(("d0", "d1", "d2"), leaves, strict=True):
        (ran,) = [s for s in first if s["track"] == device]
        assert (ran["begin"], ran["end"]) == (end - stay, end)
        inner = [(s["name"], s["end"] - s["begin"]) for s in read.on(device, depth=1)][:3]
        assert inner == [("serialise", kernel), ("compute", 1 * MS), ("serialise", kernel)]
        (up,) = [s for s in first if s["track"] == f"up:{device}"]
        assert (up["begin"], up["end"]) == (end, end + 16 * US)
        (flight,) = [s for s in first if s["track"] == f"up:{device} in flight"]
        assert (flight["begin"], flight["end"]) == (end + 16 * US, end + hop)
    (request,) = [s for s in read.on("requests") if s["name"] == "request 0: ok"]
    assert (request["begin"], request["end"]) == (0, leaves[-1] + hop + kernel)


def test_what_is_computed_after_the_answer_is_called_wasted(seen):
    _, read = seen(SPECULATIVE)
    names = {s["name"] for s in read.on("d0")}
    assert {"wasted: b2 #0", "e1 #0", "b2 #1", "e2 #1"} <= names
    stops = [s for s in read.on("d0 queue") if s["name"] == "stop #0"]
    assert len(stops) == 1, "the stop is seen to come"


def test_a_permit_is_seen_to_come_and_to_be_what_was_waited_for(seen):
    _, read = seen(EXITS)
    (permitted,) = [s for s in read.on("d0 queue") if s["name"] == "permit:more #1"]
    (block,) = [s for s in read.on("d0") if s["name"] == "b2 #1"]
    assert permitted["end"] == block["begin"]


def test_a_crash_cuts_off_what_was_computed(seen):
    _, read = seen(REPLICAS, faults=CRASH)
    (lost,) = [s for s in read.on("d0") if s["cat"] == "lost"]
    assert lost["end"] == 4 * MS
    assert lost["begin"] < 4 * MS
    (fault,) = [s for s in read.on("faults") if s["name"] == "crash d0"]
    assert fault["begin"] == 4 * MS
    (mark,) = [i for i in read.instants if i["name"] == "crash d0"]
    assert (mark["ns"], read.threads[mark["tid"]]) == (4 * MS, "d0")
    assert all(s["begin"] < 4 * MS for s in read.on("d0"))


def test_a_lost_attempt_and_its_retransmission_are_two_slices_of_one_arrow(seen):
    _, read = seen(ONE, LINKS["lossy"])
    twice = [f for f in read.flows.values() if any(e["bound"]["cat"] == "lost" for e in f)]
    assert twice
    for _, *links, end in twice:
        attempts = [e["bound"]["args"]["attempt"] for e in links]
        assert attempts == list(range(1, len(links) + 1))
        assert [e["bound"]["cat"] for e in links] == ["lost"] * (len(links) - 1) + ["link"]
        assert end["bound"]["track"].endswith(" queue")


def test_receivers_of_one_multicast_share_its_transmission(world, toy_cluster):
    cluster = msgspec.structs.replace(toy_cluster(), broadcast="multicast", medium="shared")
    stages = [stage("m", INPUT)]
    replicas = [Replica("m", f"d{i}") for i in range(3)]
    outcome = world.run(stages, replicas, answer("m"), timeline=(0,), on=cluster)
    read = Reader(trace([traced(outcome, cluster, (0,))]))
    (sent,) = [s for s in read.on("medium") if s["name"] == "input #0"]
    arrows = [f for f in read.flows.values() if any(e["bound"] is sent for e in f)]
    assert len(arrows) == 3
    assert "medium (2)" not in read.threads.values()


def test_several_cells_are_processes_that_begin_at_zero(world, toy_cluster):
    outcome = world.run(*CHAIN, requests=4, timeline=(2, 3))
    cell = traced(outcome, toy_cluster(), (2, 3))
    read = Reader(trace([cell, cell]))
    begins = defaultdict(list)
    for one in read.slices:
        begins[one["pid"]].append(one["begin"])
    assert {pid: min(times) for pid, times in begins.items()} == {1: 0, 2: 0}
    fewer = Reader(trace([cell], (3,)))
    assert {r for s in fewer.slices for r in s["args"].get("requests", ())} == {3}


def test_a_request_without_a_timeline_is_named(world, toy_cluster):
    outcome = world.run(*CHAIN, requests=4, timeline=(2, 3))
    with pytest.raises(UsageError, match=r"no timeline of request 1; it has 2, 3"):
        trace([traced(outcome, toy_cluster(), (2, 3))], (1, 2))


@pytest.mark.alone
@pytest.mark.parametrize("dilated", [True, False], ids=["realtime", "native"])
def test_real_processes_tell_the_same_and_one_that_is_killed_has_told_before(
    world, toy_cluster, dilated
):
    """A chain over three devices; the last of them is killed when the third request starts."""
    identity = ModuleRef("torch.nn:Identity")
    stages = [dataclasses.replace(s, module=identity, macs=20_000) for s in CHAIN[0]]
    cluster = toy_cluster(latency_ms=20)
    given = world.scenario(
        stages,
        *CHAIN[1:],
        requests=3,
        timeline=(0, 1, 2),
        on=cluster,
        costs=load_cost_table(),
        kernels="native",
        faults=(FaultEvent("crash", "d2", None, 2),),
        deadline_ms=2000,
    )
    outcome = RealtimeDriver(given, build, dilated=dilated).run()
    read = Reader(trace([traced(outcome, cluster, (0, 1, 2), 2000)]))
    names = {track: [s["name"] for s in read.on(track)] for track in ("d0", "d1", "d2")}
    assert names["d0"][:2] == ["a #0", "a #1"]
    assert names["d1"][:2] == ["b #0", "b #1"]
    # The last that it did may have died with it.
    assert names["d2"] in (["c #0"], ["c #0", "c #1"])
    whole = [record for record in outcome.records if f"c #{record.request}" in names["d2"]]
    origin_ns = outcome.records[0].intended_ns
    for record in whole:
        end = record.answered_ns - origin_ns
        (last,) = [s for s in read.on("source") if s["end"] == end]
        parts: dict[str, int] = defaultdict(int)
        assert back_from(read, last, parts) == record.started_ns - origin_ns
        assert sum(parts.values()) == record.answered_ns - record.started_ns
        if dilated:
            assert parts["compute"] == 60 * MS
            assert len([s for s in read.on("up:d1") if s["name"].startswith("b #")]) >= 2
        else:
            assert not read.on("up:d1")
            assert read.on("transport")
