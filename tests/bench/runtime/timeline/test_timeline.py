"""A timeline shows what happened, and changes nothing of it.

The trace is read by a reader of its own (viewer.py), which knows the format and none of our code.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest
from recorded import (
    CHAIN,
    CRASH,
    EXITS,
    LINKS,
    MS,
    ONE,
    REPLICAS,
    SCENARIOS,
    SPECULATIVE,
    US,
    answer,
    stage,
    traced,
)
from viewer import Reader, back_from

from coinfer.contract import INPUT, Replica
from coinfer.errors import UsageError
from coinfer.report import trace
from coinfer.store.records import decode_spans, encode_spans

PARTS = ("compute", "serialise", "decide", "slip")


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
