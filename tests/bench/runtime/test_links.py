"""Links in closed form: airtime, queues, loss, traces, routes and broadcasts, to the nanosecond.

One MAC takes 1 us and one byte 1 us; a row of the input is 16 bytes, and every link 1 ms away.
"""

from __future__ import annotations

import math

import msgspec
import pytest

from coinfer.cluster import Link, RateStep
from coinfer.cluster.draws import uniform
from coinfer.contract import INPUT, Answer, ModuleRef, Need, Replica, Slice, Stage

MS = 1_000_000
US = 1_000
AWAY = 1 * MS


def stage(name, *needs, macs=1000, function="identity", width=4, **more):
    return Stage(name, ModuleRef(function), needs or (Need(INPUT),), (width,), macs=macs, **more)


def all_of(*names):
    def arrival(rule, arrived, ctx):
        return [Answer(rule.job.rows, rule.job.rows)] if set(names) <= rule.got.keys() else []

    return arrival


def latencies(outcome):
    for r in outcome.records:
        if r.answered_ns is not None:
            parts = (r.compute_ns, r.serialise_ns, r.link_ns, r.queue_ns, r.decide_ns)
            assert sum(parts) == r.answered_ns - r.intended_ns
            assert min(parts) >= 0
    return [r.answered_ns and r.answered_ns - r.intended_ns for r in outcome.records]


def changed(cluster, **fields):
    return msgspec.structs.replace(cluster, **fields)


CHAIN = [
    stage("s0", macs=700, to_source=False),
    stage("s1", Need("s0"), macs=1900, to_source=False),
    stage("s2", Need("s1"), macs=1100),
]
ON_CHAIN = [Replica("s0", "d0"), Replica("s1", "d1"), Replica("s2", "d2")]


def test_a_tandem_of_stages_lets_one_through_per_turn_of_its_slowest(world):
    """Constant services in a row: n waits for n turns of the slowest of them, and nothing else."""
    outcome = world.run(CHAIN, ON_CHAIN, all_of("s2"), requests=12, arrivals_ns=[0] * 12)
    # Down to d0, up and down twice between devices, up from d2: six links of 16 us and 1 ms.
    alone = 6 * (16 * US + AWAY) + (700 + 1900 + 1100) * US
    assert latencies(outcome) == [alone + n * 1900 * US for n in range(12)]
    assert {r.bytes_peer for r in outcome.records} == {32}


def test_the_bottleneck_of_a_tandem_may_be_a_link(world, toy_cluster):
    slow = {"d1": Link(up_bps=64_000, down_bps=8e6, latency_ms=1, header_bytes=0)}
    cluster = toy_cluster(3)
    on = changed(cluster, links=cluster.links | slow)
    outcome = world.run(CHAIN, ON_CHAIN, all_of("s2"), requests=12, arrivals_ns=[0] * 12, on=on)
    alone = 6 * AWAY + 5 * 16 * US + 2 * MS + (700 + 1900 + 1100) * US
    assert latencies(outcome) == [alone + n * 2 * MS for n in range(12)]


@pytest.mark.parametrize("devices", [1, 2, 5])
@pytest.mark.parametrize("broadcast", ["unicast", "multicast"])
def test_a_broadcast_on_a_shared_medium_takes_it_for_each_device_or_once(
    world, toy_cluster, devices, broadcast
):
    names = [f"s{i}" for i in range(devices)]
    stages = [stage(name, function="first", width=1) for name in names]
    replicas = [Replica(name, f"d{i}") for i, name in enumerate(names)]
    on = changed(toy_cluster(devices), medium="shared", broadcast=broadcast)
    outcome = world.run(stages, replicas, all_of(*names), on=on)
    (record,) = outcome.records
    inputs = devices if broadcast == "unicast" else 1
    assert (record.bytes_down, record.messages) == (16 * inputs, inputs + devices)
    assert record.frame_bytes == inputs * (64 + 16) + devices * (64 + 4)
    # Inputs of 16 us one after another: their answers of 4 us never meet. Inputs that come at
    # once: all answers are ready at once and take turns.
    turns = devices * 16 + 4 if broadcast == "unicast" else 16 + devices * 4
    assert latencies(outcome) == [turns * US + 2 * AWAY + 1 * MS]


def test_a_multicast_lasts_as_long_as_its_slowest_receiver_needs(world, toy_cluster):
    links = {"*": Link(up_bps=8e6, header_bytes=0), "d1": Link(up_bps=8e5, header_bytes=0)}
    on = changed(toy_cluster(2), links=links, medium="shared", broadcast="multicast")
    record = world.run(
        [stage("s0"), stage("s1", function="first", width=1)],
        [Replica("s0", "d0"), Replica("s1", "d1")],
        all_of("s0"),
        on=on,
    ).records[0]
    assert record.answered_ns == 160 * US + 1 * MS + 16 * US
    assert record.link_ns == 176 * US


def test_a_device_sends_the_same_to_several_once_where_it_can_multicast(world, toy_cluster):
    """d0 feeds d1 and d2 and the source; d2 it reaches by a route of its own."""
    stages = [stage("a"), *(stage(n, Need("a"), function="first", width=1) for n in "bc")]
    replicas = [Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d2")]
    for more, peer_bytes, messages in (
        ({"broadcast": "unicast"}, 32, 6),
        ({"broadcast": "multicast"}, 0, 4),
        ({"broadcast": "multicast", "routes": {"d0>d2": Link(8e6, header_bytes=0)}}, 16, 5),
    ):
        record = world.run(
            stages, replicas, all_of(*"abc"), on=changed(toy_cluster(3), **more)
        ).records[0]
        assert (record.bytes_peer, record.messages) == (peer_bytes, messages), more
        assert (record.bytes_down, record.bytes_up) == (16, 16 + 4 + 4)


def test_what_goes_up_by_multicast_is_lost_for_all_or_for_none(world, toy_cluster):
    stages = [stage("a", to_source=False), *(stage(n, Need("a")) for n in "bc")]
    replicas = [Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d2")]
    good = Link(up_bps=8e6, header_bytes=0, latency_ms=1, jitter_ms=3)
    links = {"*": good, "d0": Link(8e6, header_bytes=0, jitter_ms=3, loss=0.5)}
    on = changed(toy_cluster(3), links=links, broadcast="multicast")
    many = 60
    outcome = world.run(stages, replicas, all_of("b", "c"), requests=many, on=on, deadline_ms=50)
    reached = [{"b", "c"} & rule.got.keys() for rule in world.rules]
    assert all(len(got) in (0, 2) for got in reached)
    # The input goes to d0 alone, over the same bad link.
    assert 0.1 * many < sum(map(bool, reached)) < 0.5 * many
    assert {r.status for r in outcome.records} == {"ok", "timeout"}


def attempts(seed, request, link, way, label, ends, most=math.inf):
    """How many times a message is sent, from the same draws."""
    part = (label, (request,), None, way)
    count = 1
    while count <= most and uniform(seed, "loss", request, *ends, *part, count) < link.loss:
        count += 1
    return count


def lost_stops(link, fate, *, most):
    """At its deadline the device of a request is told to stop; that may be lost as well."""
    late = [n for n, status in enumerate(fate) if status == "timeout"]
    ends = ("source", "d0")
    return sum(attempts(0, n, link, "down", "stop:", ends, most) > most for n in late)


def test_a_lost_message_is_sent_again_and_takes_its_airtime_again(world, toy_cluster):
    link = Link(
        *(8e6, 8e6),
        latency_ms=1,
        header_bytes=0,
        loss=0.4,
        on_loss="retransmit",
        retransmit_ms=3,
        retransmit_most=50,
    )
    many = 1500
    on = changed(toy_cluster(1), links={"*": link})
    outcome = world.run([stage("s")], [Replica("s", "d0")], all_of("s"), requests=many, on=on)
    down = [attempts(0, n, link, "down", INPUT, ("source", "d0")) for n in range(many)]
    up = [attempts(0, n, link, "up", "s", ("d0", "source")) for n in range(many)]
    once = 16 * US + AWAY
    expected = [
        2 * once + 1 * MS + (d + u - 2) * (16 * US + 3 * MS) for d, u in zip(down, up, strict=True)
    ]
    assert latencies(outcome) == expected
    assert outcome.lost_messages == 0
    # Geometric: mean 1 / (1 - p), variance p / (1 - p)^2; within four standard errors.
    tries = [*down, *up]
    error = math.sqrt(0.4 / 0.6**2 / len(tries))
    assert sum(tries) / len(tries) == pytest.approx(1 / 0.6, abs=4 * error)


def test_others_have_the_medium_while_a_lost_message_waits(world, toy_cluster):
    bad = Link(*(8e6, 8e6), header_bytes=0, loss=0.9, on_loss="retransmit", retransmit_ms=5)
    links = {"*": Link(8e6, header_bytes=0), "d1": bad}
    on = changed(toy_cluster(2), links=links, medium="shared")
    replicas = [Replica("s0", "d0"), Replica("s1", "d1")]
    for seed in range(8):
        outcome = world.run(
            [stage("s0", macs=1500), stage("s1")], replicas, all_of("s0"), on=on, seed=seed
        )
        assert latencies(outcome) == [2 * 16 * US + 1500 * US], "d1's input never stands before"


def test_a_message_is_gone_after_so_many_attempts(world, toy_cluster):
    link = Link(
        *(8e6, 8e6),
        header_bytes=0,
        loss=0.6,
        on_loss="retransmit",
        retransmit_ms=1,
        retransmit_most=2,
    )
    on = changed(toy_cluster(1), links={"*": link})
    many = 200
    outcome = world.run(
        *([stage("s")], [Replica("s", "d0")], all_of("s")), requests=many, on=on, deadline_ms=30
    )
    down = [attempts(0, n, link, "down", INPUT, ("source", "d0"), 2) for n in range(many)]
    up = [attempts(0, n, link, "up", "s", ("d0", "source"), 2) for n in range(many)]
    fate = ["ok" if d <= 2 and u <= 2 else "timeout" for d, u in zip(down, up, strict=True)]
    assert [r.status for r in outcome.records] == fate
    ran = [d <= 2 for d in down]
    inputs_and_outputs = sum(not there or u > 2 for there, u in zip(ran, up, strict=True))
    assert outcome.lost_messages == inputs_and_outputs + lost_stops(link, fate, most=2)
    # What was computed and sent in vain is still accounted for.
    assert [r.macs for r in outcome.records] == [1000 * there for there in ran]
    assert [r.bytes_up for r in outcome.records] == [16 * there for there in ran]
    assert {r.bytes_down for r in outcome.records} >= {16}


def test_a_dropped_message_is_not_sent_again(world, toy_cluster):
    link = Link(*(8e6, 8e6), header_bytes=0, loss=0.3)
    on = changed(toy_cluster(1), links={"*": link})
    outcome = world.run(
        *([stage("s")], [Replica("s", "d0")], all_of("s")), requests=300, on=on, deadline_ms=5
    )
    lost = [r.status == "timeout" for r in outcome.records]
    fate = [r.status for r in outcome.records]
    assert outcome.lost_messages == sum(lost) + lost_stops(link, fate, most=1)
    assert sum(lost) / 300 == pytest.approx(1 - 0.7**2, abs=4 * math.sqrt(0.25 / 300))


def test_loss_is_keyed_so_that_nobody_else_changes_it(world, toy_cluster):
    def trace(count, seed=0):
        on = toy_cluster(count, loss=0.3, on_loss="retransmit", retransmit_ms=1)
        stages, replicas = [stage("s0"), stage("s1")], [Replica("s0", "d0"), Replica("s1", "d1")]
        run = world.run(stages, replicas, all_of("s0", "s1"), requests=20, on=on, seed=seed)
        return run.trace_sha256

    assert trace(2) == trace(5)
    assert trace(2) != trace(2, seed=1)


def test_a_rate_that_changes_within_a_message(world, toy_cluster):
    """1 byte a microsecond, then for ever again none for 2 ms, half of it for 1 ms, …"""
    steps = (RateStep(0, 8e6, 8e6), RateStep(0.010, 0, 0), RateStep(2.010, 4e6, 16e6))
    link = Link(trace=steps, latency_ms=0, header_bytes=0)
    on = changed(toy_cluster(1), links={"*": link})
    (record,) = world.run([stage("s", macs=0)], [Replica("s", "d0")], all_of("s"), on=on).records
    # Down: 10 bytes in 10 us, nothing for 2 ms, 6 bytes at 2 bytes a microsecond.
    # Up, at half a byte a microsecond: 16 bytes in 32 us.
    assert record.answered_ns == 10 * US + 2 * MS + 3 * US + 32 * US
    assert record.link_ns == record.answered_ns


def test_messages_of_a_trace_take_turns(world, toy_cluster):
    steps = (RateStep(0, 8e6, 8e6), RateStep(1, 8e6, 4e6), RateStep(2, 8e6, 8e6))
    link = Link(trace=steps, latency_ms=0, header_bytes=984)
    on = changed(toy_cluster(1), links={"*": link})
    outcome = world.run(
        *([stage("s", macs=0)], [Replica("s", "d0")], all_of("s")),
        requests=3,
        arrivals_ns=[500 * US, 500 * US, 500 * US],
        on=on,
    )
    # 1000 bytes: half before 1 ms, half at half the rate until 2 ms; then 1 ms each, also after
    # 3 ms, where the trace begins again.
    assert [r.answered_ns for r in outcome.records] == [3 * MS, 4 * MS, 5 * MS]


def test_a_route_is_a_channel_of_its_own_even_on_a_shared_medium(world, toy_cluster):
    stages = [stage("a", to_source=False), stage("b", Need("a"))]
    replicas = [Replica("a", "d0"), Replica("b", "d1")]
    routes = {"d0>d1": Link(up_bps=4e6, latency_ms=2, header_bytes=0)}
    on = changed(toy_cluster(2), medium="shared", routes=routes)
    outcome = world.run(stages, replicas, all_of("b"), requests=3, arrivals_ns=[0] * 3, on=on)
    alone = 2 * (16 * US + AWAY) + 32 * US + 2 * MS + 2 * MS
    assert latencies(outcome) == [alone + n * MS for n in range(3)]
    assert {r.bytes_peer for r in outcome.records} == {16}


def test_a_downlink_is_free_until_a_message_between_devices_is_there(world, toy_cluster):
    """d0's output crosses its slow uplink for 1.6 ms; d1's input does not wait for that."""
    links = {"*": Link(8e6, header_bytes=0), "d0": Link(8e4, 8e6, header_bytes=0)}
    on = changed(toy_cluster(2), links=links)
    stages = [
        stage("a", macs=10, to_source=False),
        stage("b", Need("a"), macs=10),
        stage("c", macs=10),
    ]
    replicas = [Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d1")]
    outcome = world.run(stages, replicas, all_of("c"), requests=2, arrivals_ns=[0, 100 * US], on=on)
    assert latencies(outcome) == [42 * US, 42 * US]


def test_two_parts_of_one_output_have_draws_of_their_own(world, toy_cluster):
    """Halves of the input to one device: one may be lost without the other."""
    on = toy_cluster(1, loss=0.5)
    halves = [
        stage(f"s{i}", Need(INPUT, Slice(1, 2 * i, 2 * i + 2)), width=2, macs=1) for i in range(2)
    ]
    replicas = [Replica("s0", "d0"), Replica("s1", "d0")]
    world.run(halves, replicas, all_of("s0", "s1"), requests=80, on=on, deadline_ms=20)
    reached = [len(rule.got) for rule in world.rules]
    assert {1, 2, 3} <= set(reached)
