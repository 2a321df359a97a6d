"""Faults that last for a while, in virtual time, with times from closed forms.

One MAC takes 1 us and one byte 1 us; every link is 1 ms long. An input has 16 bytes, an output
too, and the stage takes 1 ms: the input is there after 1.016 ms, the output leaves at 2.016 ms, the
answer comes at 3.032 ms. Heartbeats come every 100 ms; after 300 ms without one a device is lost.
"""

from __future__ import annotations

import pytest

from coinfer.cluster import FaultEvent
from coinfer.contract import (
    INPUT,
    Answer,
    ModuleRef,
    Need,
    Permit,
    Replica,
    Stage,
    permit,
)

MS = 1_000_000
US = 1_000
ARRIVES, ANSWERED = 1016 * US, 3032 * US
STOP = 10
"""Bytes of the message that calls one request off."""


def fault(kind, at_ms, duration_ms=0.0, target="d0", **more):
    at_ns = None if at_ms is None else round(at_ms * MS)
    on_request = more.pop("on_request", None)
    return FaultEvent(kind, target, at_ns, on_request, duration_ns=round(duration_ms * MS), **more)


STAGE = Stage("s0", ModuleRef("double"), (Need(INPUT),), (4,), macs=1000, weights_bytes=1000)


def arrived(rule, arrival, ctx):
    return [Answer(rule.job.rows, rule.job.rows)] if arrival.stage == "s0" else []


def run(world, *faults, **more):
    """One stage on one device, under some faults."""
    return world.run([STAGE], [Replica("s0", "d0")], arrived, faults=faults, **more)


def latencies(outcome):
    return [
        None if r.answered_ns is None else r.answered_ns - r.intended_ns for r in outcome.records
    ]


def parts_sum_up(outcome):
    for r in outcome.records:
        if r.answered_ns is not None:
            parts = r.compute_ns + r.serialise_ns + r.link_ns + r.queue_ns + r.decide_ns
            assert parts == r.answered_ns - r.intended_ns


def times(line):
    return tuple(line[f"{when}_ns"] for when in ("injected", "detected", "recovered"))


def at(*instants):
    """Milliseconds as nanoseconds, None as None."""
    return tuple(None if t is None else round(t * MS) for t in instants)


def test_without_a_fault_nothing_is_counted(world):
    outcome = run(world)
    assert latencies(outcome) == [ANSWERED]
    assert outcome.faults == outcome.warnings == ()
    assert outcome.lost_messages == outcome.corrupt_messages == outcome.stale_messages == 0


# Pause


@pytest.mark.parametrize(
    ("begin_ms", "for_ms", "expected_ms"),
    [
        (0.5, 10, 10.5 + 1 + 1.016),  # the input waits for the resumption
        (1.5, 10, 11.5 + 1.016),  # the compute under way ends at the resumption
        (1.5, 0.2, 3.032),  # over before the compute would have ended
        (2.016, 3, 5.016 + 1.016),  # the pause comes first of what happens at one moment
        (2.5, 10, 3.032),  # what was sent before is on its way
    ],
)
def test_a_paused_device_handles_what_is_due_when_it_goes_on(world, begin_ms, for_ms, expected_ms):
    outcome = run(world, fault("pause", begin_ms, for_ms))
    assert latencies(outcome) == [round(expected_ms * MS)]
    parts_sum_up(outcome)
    (line,) = outcome.faults
    assert line["landed"]
    assert times(line) == at(begin_ms, None, begin_ms + for_ms)
    waited = expected_ms != 3.032
    assert line["observed"] == {"events_deferred": 1 if waited else 0}


def test_a_paused_device_keeps_the_order_of_what_waited(world):
    outcome = run(
        world, fault("pause", 0.5, 20), requests=4, arrivals_ns=[0, 1 * MS, 2 * MS, 30 * MS]
    )
    expected_ms = [20.5 + n + 1.016 for n in (1, 2, 3)]
    assert [r.answered_ns for r in outcome.records[:3]] == [round(t * MS) for t in expected_ms]
    assert latencies(outcome)[3] == ANSWERED
    assert outcome.faults[0]["observed"] == {"events_deferred": 3}


@pytest.mark.parametrize(
    ("begin_ms", "for_ms", "detected_ms", "recovered_ms"),
    [
        (250, 200, None, 450),  # the beat at 500 ms comes just in time
        (250, 500, 500, 800),  # last heard of at 200 ms; back with the first beat after 750 ms
        (210, 310, 500, 600),  # on again at 520 ms, heard of at 600 ms: too late
        (250, 50, None, 300),
    ],
)
def test_a_long_pause_is_noticed_and_so_is_its_end(
    world, begin_ms, for_ms, detected_ms, recovered_ms
):
    outcome = run(world, fault("pause", begin_ms, for_ms), requests=2, arrivals_ns=[0, 900 * MS])
    assert times(outcome.faults[0]) == at(begin_ms, detected_ms, recovered_ms)
    assert latencies(outcome) == [ANSWERED, ANSWERED]


def test_two_pauses_at_once_end_with_the_later_one(world):
    outcome = run(world, fault("pause", 0.5, 10), fault("pause", 5, 10))
    assert latencies(outcome) == [15 * MS + 1 * MS + 1016 * US]
    assert [line["observed"] for line in outcome.faults] == [{}, {"events_deferred": 1}]


# Straggle


@pytest.mark.parametrize(
    ("begin_ms", "for_ms", "factor"),
    [(0, 1.5, 4.0), (1.016, 0.1, 2.5), (0, 1.016, 4.0), (1.1, 5, 4.0)],
)
def test_computes_that_start_in_the_window_take_longer(world, begin_ms, for_ms, factor):
    outcome = run(world, fault("straggle", begin_ms, for_ms, factor=factor))
    starts_within = begin_ms <= 1.016 < begin_ms + for_ms
    slower = round((factor - 1) * MS) if starts_within else 0
    assert latencies(outcome) == [ANSWERED + slower]
    assert outcome.records[0].compute_ns == 1 * MS + slower
    assert outcome.busy_ns["d0"] == 1 * MS + slower
    (line,) = outcome.faults
    assert line["landed"] == starts_within
    assert line["observed"] == ({"computes_slowed": 1} if starts_within else {})
    assert bool(outcome.warnings) != starts_within


# Links


def test_a_dropped_message_never_comes_and_the_next_one_shows_that_the_link_is_back(world):
    outcome = run(world, fault("drop", 0.5, 1), requests=2, arrivals_ns=[0, 5 * MS], deadline_ms=50)
    assert [r.status for r in outcome.records] == ["timeout", "ok"]
    assert latencies(outcome)[1] == ANSWERED
    (line,) = outcome.faults
    assert line["observed"] == {"messages_dropped": 1}
    # The second input is across 1.016 ms after 5 ms.
    assert times(line) == at(0.5, None, 6.016)
    assert outcome.lost_messages == 1


@pytest.mark.parametrize(
    ("begin_ms", "for_ms", "hits"),
    [
        (0, 0.001, 1),  # the first moment of the input on the link
        (1.016, 0.5, 1),  # its last moment
        (1.5, 0.5, 0),  # nothing is on the link
        (1.017, 0.999, 0),  # ends when the output comes
        (3.032, 1, 1),  # the last moment of the output
        (3.033, 1, 0),
    ],
)
def test_a_window_hits_what_is_on_the_link_at_any_of_its_moments(world, begin_ms, for_ms, hits):
    outcome = run(world, fault("drop", begin_ms, for_ms), deadline_ms=50)
    assert outcome.lost_messages == hits
    assert outcome.faults[0]["landed"] == bool(hits)
    assert [r.status for r in outcome.records] == ["timeout" if hits else "ok"]


def test_a_message_that_waits_for_its_turn_is_not_on_the_link_yet(world, toy_cluster):
    """Two inputs of 16 bytes at 1 byte/ms: the second has the link from 16 ms on."""
    slow = toy_cluster(1, down_bps=8e3, latency_ms=0)
    outcome = run(
        world, fault("drop", 10, 2), requests=2, arrivals_ns=[0, 0], on=slow, deadline_ms=500
    )
    assert [r.status for r in outcome.records] == ["timeout", "ok"]


def test_a_delayed_message_comes_later_by_that(world):
    outcome = run(world, fault("delay", 0, 1, delay_ns=5 * MS))
    assert latencies(outcome) == [ANSWERED + 5 * MS]
    assert outcome.records[0].link_ns == 2 * ARRIVES + 5 * MS
    parts_sum_up(outcome)
    (line,) = outcome.faults
    assert line["observed"] == {"messages_delayed": 1}
    assert times(line) == at(0, None, 5 + 3.032), "the output was the first across afterwards"


def test_delays_add_up(world):
    both = [fault("delay", 0, 1, delay_ns=5 * MS), fault("delay", 0.5, 9, delay_ns=2 * MS)]
    # The input has both; the output leaves at 9.016 ms and has the second one.
    assert latencies(run(world, *both)) == [ANSWERED + 9 * MS]


@pytest.mark.parametrize(("begin_ms", "where"), [(0, "d0"), (2.5, "source")])
def test_a_receiver_drops_a_frame_with_a_flipped_bit(world, begin_ms, where):
    outcome = run(
        world, fault("corrupt", begin_ms, 1), requests=2, arrivals_ns=[0, 9 * MS], deadline_ms=50
    )
    assert [r.status for r in outcome.records] == ["timeout", "ok"]
    assert (outcome.corrupt_messages, outcome.lost_messages) == (1, 0)
    assert outcome.faults[0]["observed"] == {"messages_corrupted": 1}
    # What a device spent is known even if its output is not: the envelope is whole.
    assert outcome.records[0].macs == (0 if where == "d0" else 1000)


GATED = [
    Stage("a", ModuleRef("double"), (Need(INPUT),), (4,), macs=1000),
    Stage("b", ModuleRef("double"), (Need("a"), Need(permit("go"))), (4,), macs=1000),
]


def gated(rule, arrival, ctx):
    if arrival.stage == "a":
        return [Permit("go", rule.job.rows)]
    return [Answer(rule.job.rows, rule.job.rows)] if arrival.stage == "b" else []


@pytest.mark.parametrize("kind", ["drop", "corrupt", "partition"])
def test_a_control_message_can_be_lost_too_and_the_request_still_ends(world, kind):
    outcome = world.run(
        GATED,
        [Replica("a", "d0"), Replica("b", "d0")],
        gated,
        faults=(fault(kind, 3.5, 0.2),),  # the permit leaves at 3.032 ms
        requests=2,
        arrivals_ns=[0, 40 * MS],
        deadline_ms=30,
    )
    assert [r.status for r in outcome.records] == ["timeout", "ok"]
    assert (outcome.corrupt_messages, outcome.lost_messages) == (0, 1)
    assert outcome.faults[0]["landed"]


def test_probability_is_drawn_for_each_message(world):
    requests, probability = 400, 0.3
    outcome = run(
        world,
        fault("drop", 0, 10_000, probability=probability),
        requests=requests,
        arrivals_ns=[n * 10 * MS for n in range(requests)],
        deadline_ms=9,
    )
    through = sum(r.status == "ok" for r in outcome.records) / requests
    assert through == pytest.approx((1 - probability) ** 2, abs=0.08)
    assert outcome.faults[0]["observed"] == {"messages_dropped": outcome.lost_messages}


def test_macs_of_a_lost_output_are_still_known(world):
    outcome = run(world, fault("drop", 2.5, 1), deadline_ms=50)
    assert outcome.records[0].macs == outcome.records[0].macs_wasted == 1000


def test_a_partition_is_noticed_by_the_heartbeats(world):
    outcome = run(
        world,
        fault("partition", 250, 500),
        requests=5,
        arrivals_ns=[0, 249.5 * MS, 300 * MS, 600 * MS, 900 * MS],
        deadline_ms=100,
    )
    # Answered; its output is on its way when the link goes; sent before that is noticed; not sent
    # any more; back. Requests that time out are called off where the device is believed alive.
    assert [r.status for r in outcome.records] == ["ok", "timeout", "timeout", "timeout", "ok"]
    assert [r.bytes_down for r in outcome.records] == [16, 16 + STOP, 16 + STOP, 0, 16]
    (line,) = outcome.faults
    assert times(line) == at(250, 500, 800)
    assert line["observed"] == {"messages_dropped": 4}
    assert outcome.lost_messages == 4


def test_a_short_partition_is_over_when_a_message_passes(world):
    outcome = run(
        world,
        fault("partition", 250, 50),
        requests=2,
        arrivals_ns=[260 * MS, 400 * MS],
        deadline_ms=100,
    )
    # Called off after 100 ms: those ten bytes are the first across.
    assert times(outcome.faults[0]) == at(250, None, 361.010)
