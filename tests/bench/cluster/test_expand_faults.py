"""Faults expand to events: the same for a seed, and untouched by what has no part in them."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.cluster import Fault, FaultList, expand
from coinfer.errors import ClusterError

MS = 1_000_000
DEVICES = ("d0", "d1", "d2", "d3", "d4")
GROUPS = {"rack": ("d1", "d3"), "shelf": ("d0", "d2", "d4")}

times = st.integers(0, 5000)
windows = {
    "pause": {},
    "straggle": {"factor": 3.0},
    "drop": {"probability": 0.5},
    "delay": {"delay_ms": 4.0},
    "corrupt": {},
    "partition": {},
}
whens = st.one_of(
    times.map(lambda at: {"at_ms": float(at)}),
    st.integers(0, 50).map(lambda request: {"on_request": request}),
    st.floats(0.1, 2.0).map(lambda rate: {"rate_per_s": rate, "until_ms": 5000.0}),
)
drawn = st.integers(1, 3).map(lambda k: f"random:{k}")
named = st.one_of(
    st.sampled_from(DEVICES),
    st.sampled_from(["group:rack", "group:shelf"]),
    st.lists(st.sampled_from(DEVICES), min_size=1, max_size=3, unique=True).map(tuple),
)
crashes = st.builds(
    lambda target, when, back: Fault(kind="crash", target=target, rejoin_after_ms=back, **when),
    target=st.one_of(drawn, named),
    when=whens,
    back=st.none() | st.floats(1, 2000),
)
others = st.builds(
    lambda kind, target, when, lasts: Fault(
        kind=kind, target=target, duration_ms=lasts, **windows[kind], **when
    ),
    kind=st.sampled_from(sorted(windows)),
    target=st.one_of(drawn, named),
    when=whens,
    lasts=st.floats(1, 500),
)
lists = st.lists(st.one_of(crashes, others), max_size=6).map(lambda all_: FaultList(tuple(all_)))
seeds = st.integers(0, 10**6)


def expanded(faults, cluster, seed):
    """Events, or nothing where the list cannot be carried out on this cluster."""
    try:
        return expand(faults, cluster, seed)
    except ClusterError:
        return None


@settings(max_examples=300)
@given(faults=lists, seed=seeds)
def test_no_device_crashes_twice_without_a_rejoin_between(cluster_of, faults, seed):
    events = expanded(faults, cluster_of(*DEVICES, groups=GROUPS), seed) or ()
    for device in DEVICES:
        mine = [e for e in events if e.target == device and e.kind in ("crash", "rejoin")]
        timed = sorted((e.at_ns, e.kind == "crash", e.kind) for e in mine if e.at_ns is not None)
        kinds = [kind for *_, kind in timed]
        assert kinds == [("crash", "rejoin")[i % 2] for i in range(len(kinds))]
        asked = [e for e in mine if e.kind == "crash" and e.on_request is not None]
        # Of two requests nobody knows whether the device is back by the second, unless told so.
        requests = sorted(e.on_request for e in asked)
        assert len(set(requests)) == len(requests)
        rated = [e for e in mine if faults.events[e.cause].rate_per_s is not None]
        assert not (asked and rated)


@settings(max_examples=300)
@given(faults=lists, seed=seeds)
def test_events_are_concrete_numbered_and_the_same_for_a_seed(cluster_of, faults, seed):
    cluster = cluster_of(*DEVICES, groups=GROUPS)
    events = expanded(faults, cluster, seed)
    assert expanded(faults, cluster, seed) == events
    for number, event in enumerate(events or ()):
        said = faults.events[event.cause]
        assert event.number == number
        assert event.target in DEVICES
        assert (event.at_ns is None) != (event.on_request is None)
        assert event.kind == said.kind or (event.kind, said.kind) == ("rejoin", "crash")
        assert event.duration_ns == round((said.duration_ms or 0) * MS) or event.kind == "rejoin"
        if said.rate_per_s is not None and event.kind != "rejoin":
            assert 0 <= event.at_ns < said.until_ms * MS
        assert msgspec.convert(msgspec.to_builtins(event), type(event)) == event
    assert [e.cause for e in events or ()] == sorted(e.cause for e in events or ())


@settings(max_examples=300)
@given(faults=lists, seed=seeds, place=st.integers(0, len(DEVICES)))
def test_a_device_that_is_never_hit_changes_nothing(cluster_of, faults, seed, place):
    more = (*DEVICES[:place], "spare", *DEVICES[place:])
    without = expanded(faults, cluster_of(*DEVICES, groups=GROUPS), seed)
    beside = expanded(faults, cluster_of(*more, groups=GROUPS), seed)
    if without is None or beside is None or any(e.target == "spare" for e in beside):
        return
    # Devices hit by one entry at one time stand in the order of the cluster.
    assert beside == without


@settings(max_examples=300)
@given(faults=lists, seed=seeds, extra=others)
def test_one_more_entry_changes_nobody_elses_luck(cluster_of, faults, seed, extra):
    cluster = cluster_of(*DEVICES, groups=GROUPS)
    without = expanded(faults, cluster, seed)
    beside = expanded(FaultList((*faults.events, extra)), cluster, seed)
    # Only a pick of the same kind may have to give way: two pauses do not share a device.
    if without is None or beside is None or any(f.kind == extra.kind for f in faults.events):
        return
    assert beside[: len(without)] == without


@given(seed=seeds, first=st.sampled_from(["pause", "partition"]))
def test_an_entry_put_in_front_changes_no_draw_either(cluster_of, seed, first):
    cluster = cluster_of(*DEVICES)
    crash = Fault(kind="crash", target="random:2", on_request=3)
    ahead = Fault(kind=first, target="random", on_request=1, duration_ms=5)
    alone = expand(FaultList((crash,)), cluster, seed)
    behind = expand(FaultList((ahead, crash)), cluster, seed)
    assert [e.target for e in behind if e.kind == "crash"] == [e.target for e in alone]


@given(seed=seeds, rate=st.floats(0.5, 3), back=st.floats(1, 200))
def test_a_group_fails_together(cluster_of, seed, rate, back):
    cluster = cluster_of(*DEVICES, groups=GROUPS)
    fault = Fault(
        kind="crash", target="group:shelf", rate_per_s=rate, until_ms=4000, rejoin_after_ms=back
    )
    events = expand(
        FaultList((Fault(kind="crash", target="d1", on_request=0), fault)), cluster, seed
    )
    together = Counter((e.at_ns, e.cause) for e in events if e.cause == 1 and e.kind == "crash")
    assert set(together.values()) <= {3}
    assert {e.target for e in events if e.cause == 1} <= set(GROUPS["shelf"])
    (other,) = [e for e in events if e.cause == 0]
    assert (other.target, other.on_request) == ("d1", 0)


def test_a_list_of_devices_is_hit_at_once(cluster_of):
    fault = Fault(kind="drop", target=("d2", "d0"), at_ms=7, duration_ms=20, probability=0.25)
    events = expand(FaultList((fault,)), cluster_of(*DEVICES), seed=0)
    assert [(e.number, e.target, e.at_ns, e.cause) for e in events] == [
        (0, "d0", 7 * MS, 0),
        (1, "d2", 7 * MS, 0),
    ]
    assert {(e.duration_ns, e.probability) for e in events} == {(20 * MS, 0.25)}


def test_a_rejoin_follows_its_crash_by_time_or_by_request(cluster_of):
    crash = {"kind": "crash", "target": "d0", "rejoin_after_ms": 50}
    timed = expand(FaultList((Fault(at_ms=10, **crash),)), cluster_of(*DEVICES), 0)
    asked = expand(FaultList((Fault(on_request=10, **crash),)), cluster_of(*DEVICES), 0)
    assert [(e.kind, e.at_ns, e.on_request, e.after_ns) for e in timed] == [
        ("crash", 10 * MS, None, 0),
        ("rejoin", 60 * MS, None, 0),
    ]
    assert [(e.kind, e.at_ns, e.on_request, e.after_ns) for e in asked] == [
        ("crash", None, 10, 0),
        ("rejoin", None, 10, 50 * MS),
    ]


def test_a_rate_is_met_over_many_seeds(cluster_of):
    fault = Fault(kind="pause", target="d0", rate_per_s=2.0, until_ms=5000, duration_ms=1)
    counts = [len(expand(FaultList((fault,)), cluster_of(*DEVICES), s)) for s in range(400)]
    expected = 2.0 * 5 * len(counts)
    assert abs(sum(counts) - expected) < 4 * math.sqrt(expected)
    # A Poisson process has as much variance as mean; its sample varies by sqrt(2 / n).
    mean = sum(counts) / len(counts)
    variance = sum((c - mean) ** 2 for c in counts) / (len(counts) - 1)
    assert abs(variance / mean - 1) < 4 * math.sqrt(2 / len(counts))


def test_random_picks_are_fair(cluster_of):
    faults = FaultList((Fault(kind="crash", target="random:2", at_ms=1),))
    hits = Counter(e.target for s in range(2000) for e in expand(faults, cluster_of(*DEVICES), s))
    share = 2 / len(DEVICES)
    for device in DEVICES:
        assert abs(hits[device] - 2000 * share) < 4 * math.sqrt(2000 * share * (1 - share))


def test_a_rate_goes_on_among_those_that_are_up(cluster_of):
    fault = Fault(kind="crash", rate_per_s=100.0, until_ms=5000)
    events = expand(FaultList((fault,)), cluster_of(*DEVICES), 0)
    assert sorted(e.target for e in events) == list(DEVICES)


def test_a_device_may_be_crashed_brought_back_and_crashed_again(cluster_of):
    entries = (
        Fault(kind="crash", target="d0", at_ms=1),
        Fault(kind="rejoin", target="d0", at_ms=5),
        Fault(kind="pause", target="d0", at_ms=6, duration_ms=1),
        Fault(kind="crash", target="d0", at_ms=9),
        Fault(kind="rejoin", target="d0", on_request=90),
    )
    events = expand(FaultList(entries), cluster_of(*DEVICES), 0)
    assert [e.kind for e in events] == ["crash", "rejoin", "pause", "crash", "rejoin"]


crash_d0 = Fault(kind="crash", target="d0", at_ms=10)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([Fault(kind="crash", target="e0", at_ms=1)], "event 0: unknown target 'e0'; allowed: d0"),
        (
            [Fault(kind="crash", target="group:rak", at_ms=1)],
            "unknown group 'rak'; did you mean 'rack'",
        ),
        ([Fault(kind="crash", target="random:6", at_ms=1)], "wants 6 devices and finds 5 of 5"),
        (
            [Fault(kind="crash", target="random:5", at_ms=1), Fault(kind="crash", at_ms=2)],
            "no device left",
        ),
        (
            [Fault(kind="pause", target="random:5", on_request=1, duration_ms=1)] * 2,
            "no device left of 5 that is up and without pause",
        ),
        (
            [crash_d0, Fault(kind="crash", target="d0", at_ms=20)],
            "event 1 crashes 'd0' while another event has it down; .*rejoin_after_ms",
        ),
        (
            [crash_d0, Fault(kind="crash", target=("d1", "d0"), at_ms=5, rejoin_after_ms=6)],
            "event 1 crashes 'd0' while",
        ),
        (
            [Fault(kind="delay", target="d0", at_ms=11, delay_ms=1, duration_ms=1), crash_d0],
            r"event 0 \(delay\) hits 'd0' while it is down",
        ),
        (
            [Fault(kind="rejoin", target="d1", at_ms=11), crash_d0],
            "event 0 brings 'd1' back, and no event of the list crashed it before",
        ),
        ([Fault(kind="rejoin", target="d0", at_ms=10), crash_d0], "event 0 brings 'd0' back"),
        (
            [crash_d0, *[Fault(kind="rejoin", target="d0", at_ms=at) for at in (20, 30)]],
            "event 2 brings 'd0' back",
        ),
        (
            [Fault(kind="crash", rate_per_s=2000, rejoin_after_ms=1)],
            "event 0 would come 120000 times; use at most 100000",
        ),
    ],
)
def test_lists_that_contradict_themselves_or_the_cluster_are_refused(cluster_of, entries, message):
    with pytest.raises(ClusterError, match=message):
        expand(FaultList(tuple(entries)), cluster_of(*DEVICES, groups=GROUPS), seed=0)


def test_a_group_of_a_cluster_without_groups_is_refused(cluster_of):
    faults = FaultList((Fault(kind="crash", target="group:rack", at_ms=1),))
    with pytest.raises(ClusterError, match="unknown group 'rack'; the cluster has no groups"):
        expand(faults, cluster_of(*DEVICES), seed=0)


def test_what_cannot_be_told_beforehand_is_allowed(cluster_of):
    entries = (crash_d0, Fault(kind="crash", target="d0", on_request=3))
    assert len(expand(FaultList(entries), cluster_of(*DEVICES), seed=0)) == 2
