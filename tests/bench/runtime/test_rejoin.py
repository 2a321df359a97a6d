"""Devices that go and come back, in virtual time: crashes, rejoins, and running out of memory.

The same scales as in test_faults: an input is there after 1.016 ms, computed in 1 ms, and answered
at 3.032 ms. 1000 bytes of weights take 1 ms, and the link 1 ms.
"""

from __future__ import annotations

import msgspec
import pytest

from coinfer.cluster import FaultEvent, Link
from coinfer.contract import INPUT, Answer, GiveUp, ModuleRef, Need, Replica, Stage, permit

MS = 1_000_000
ANSWERED = 3032 * 1000


def fault(kind, at_ms, duration_ms=0.0, target="d0", **more):
    return FaultEvent(
        kind, target, round(at_ms * MS), None, duration_ns=round(duration_ms * MS), **more
    )


def student(name="s0", *needs, macs=1000, **more):
    more = {"weights_bytes": 1000} | more
    wanted = needs or (Need(INPUT),)
    return Stage(name, ModuleRef("double"), wanted, (4,), macs=macs, **more)


def arrived(rule, arrival, ctx):
    return [Answer(rule.job.rows, rule.job.rows)] if arrival.stage == "s0" else []


def run(world, *faults, stage=None, **more):
    stages, replicas = [stage or student()], [Replica("s0", "d0")]
    return world.run(stages, replicas, arrived, **({"faults": faults} | more))


def latency(record):
    return record.answered_ns - record.intended_ns


def times(line):
    return tuple(line[f"{when}_ns"] for when in ("injected", "detected", "recovered"))


def at(*instants):
    return tuple(None if t is None else round(t * MS) for t in instants)


def statuses(outcome):
    return [r.status for r in outcome.records]


def test_a_device_that_comes_back_is_shipped_its_stages_and_works_again(world):
    outcome = run(
        world,
        fault("crash", 250),
        fault("rejoin", 850),
        requests=4,
        arrivals_ns=[0, 300 * MS, 700 * MS, 900 * MS],
        deadline_ms=100,
    )
    assert statuses(outcome) == ["ok", "timeout", "timeout", "ok"]
    assert latency(outcome.records[3]) == ANSWERED
    crash, rejoin = outcome.faults
    assert times(crash) == at(250, 500, 852)
    assert times(rejoin) == at(850, None, 852)
    assert crash["observed"] == {"messages_lost": 2}, "an input, and what called it off"
    assert rejoin["observed"] == {"shipped_bytes": 1000}
    assert crash["landed"]
    assert rejoin["landed"]
    assert outcome.lost_messages == 2
    assert outcome.records[3].bytes_down == 16, "no request pays for the weights"


def test_the_hello_of_a_fresh_device_tells_that_the_old_one_is_gone(world):
    told = []

    def peer(rule, device):
        told.append(device)
        return [GiveUp(rule.job.rows)]

    outcome = run(
        world,
        fault("crash", 2),
        fault("rejoin", 30),
        requests=2,
        arrivals_ns=[1 * MS, 50 * MS],
        peer=peer,
    )
    assert statuses(outcome) == ["failed", "ok"]
    assert [times(line) for line in outcome.faults] == [at(2, 30, 32), at(30, None, 32)]
    assert told == ["d0"], "the job is over when the device is there again"


def test_nothing_of_the_former_life_reaches_the_fresh_device(world):
    """The compute of 100 ms that it died over must not end in its next life."""
    outcome = run(
        world,
        fault("crash", 10),
        fault("rejoin", 20),
        stage=student(macs=100_000),
        requests=2,
        arrivals_ns=[0, 50 * MS],
        deadline_ms=200,
    )
    assert statuses(outcome) == ["timeout", "ok"]
    assert latency(outcome.records[1]) == ANSWERED + 99 * MS
    assert outcome.records[0].macs == 0, "what it had not reported is lost with it"


def test_messages_from_before_the_birth_are_stale(world, toy_cluster):
    """d1 sends at 51.016 ms over 50 ms of link; d0 is there again at 67 ms."""
    near = Link(up_bps=8e6, latency_ms=1, header_bytes=0)
    far = Link(up_bps=8e6, latency_ms=50, header_bytes=0)
    on = msgspec.structs.replace(toy_cluster(2), links={"*": near, "d1": far})
    outcome = world.run(
        [student("a", to_source=False), student("s0", Need("a"))],
        [Replica("a", "d1"), Replica("s0", "d0")],
        arrived,
        faults=(fault("crash", 60), fault("rejoin", 65)),
        on=on,
        deadline_ms=400,
    )
    assert statuses(outcome) == ["timeout"]
    assert (outcome.stale_messages, outcome.lost_messages) == (1, 0)


def test_stages_that_are_lost_on_the_way_are_shipped_again(world):
    outcome = run(
        world,
        fault("crash", 250),
        fault("drop", 840, 50),
        fault("rejoin", 850),
        requests=2,
        arrivals_ns=[0, 960 * MS],
    )
    assert statuses(outcome) == ["ok", "ok"]
    # The first attempt is lost at 852 ms; the next one starts a heartbeat later.
    assert times(outcome.faults[2]) == at(850, None, 954)
    assert outcome.faults[2]["observed"] == {"shipped_bytes": 2000}
    assert times(outcome.faults[1]) == at(840, None, 954)


def test_a_crash_on_the_way_back_needs_another_rejoin(world):
    outcome = run(
        world,
        fault("crash", 250),
        fault("rejoin", 600),
        fault("crash", 601),
        fault("rejoin", 700),
        requests=2,
        arrivals_ns=[0, 800 * MS],
    )
    assert statuses(outcome) == ["ok", "ok"]
    assert [times(line) for line in outcome.faults] == [
        at(250, 500, 702),
        at(600, None, None),
        at(601, None, 702),
        at(700, None, 702),
    ]
    assert [line["landed"] for line in outcome.faults] == [True, False, True, True]
    assert "stages never arrived" in outcome.warnings[0]


def test_a_crash_ends_a_pause(world):
    outcome = run(
        world,
        fault("pause", 0.5, 500),
        fault("crash", 10),
        fault("rejoin", 20),
        requests=2,
        arrivals_ns=[0, 30 * MS],
        deadline_ms=100,
    )
    assert statuses(outcome) == ["timeout", "ok"]
    assert latency(outcome.records[1]) == ANSWERED


def test_faults_that_cannot_be_carried_out_are_said(world):
    outcome = run(
        world,
        fault("rejoin", 10),
        fault("crash", 20),
        fault("pause", 30, 10),
        fault("straggle", 30, 10, factor=2.0),
        fault("crash", 40),
        fault("crash", 5000, target="d1"),
        requests=2,
        arrivals_ns=[0, 100 * MS],
        deadline_ms=50,
    )
    assert [line["landed"] for line in outcome.faults] == [False, True, False, False, False, False]
    assert outcome.warnings == (
        "1 fault(s) never landed: the device was up (rejoin d0)",
        "3 fault(s) never landed: the device was down (pause d0, straggle d0, crash d0)",
        "1 fault(s) never landed: the run was over first (crash d1)",
    )


def test_a_job_does_not_wait_for_a_device_that_was_lost_while_it_was_open(world):
    """It was sent nothing, or its answer was given up: only the next job counts on it again."""
    seen = []

    def arrival(rule, arrival, ctx):
        if arrival.stage == INPUT:
            seen.append((rule.job.id, ctx.alive("d0"), ctx.alive("d1")))
        elif arrival.stage == "late":
            seen.append((rule.job.id, ctx.alive("d0"), ctx.alive("d1")))
            return [Answer(rule.job.rows, rule.job.rows)]
        return []

    outcome = world.run(
        [student("s0"), student("late", macs=200_000)],
        [Replica("s0", "d0"), Replica("late", "d1")],
        arrival,
        faults=(fault("crash", 100), fault("rejoin", 510)),
        requests=2,
        arrivals_ns=[450 * MS, 700 * MS],
    )
    assert statuses(outcome) == ["ok", "ok"]
    assert seen == [(0, False, True), (0, False, True), (1, True, True), (1, True, True)]


# Memory


def sized(world, toy_cluster, memory_bytes, **more):
    """Weights 100, a frame of 80 bytes, 50 bytes of activations, values of 16 bytes."""
    cluster = toy_cluster(1)
    device = msgspec.structs.replace(cluster.devices[0], memory_bytes=memory_bytes)
    on = msgspec.structs.replace(cluster, devices=(device,))
    stage = student(weights_bytes=100, activation_bytes=50)
    return run(world, stage=stage, on=on, **more)


@pytest.mark.parametrize(
    ("memory_bytes", "gone_ms"),
    [
        (230, None),  # weights, frame and activations
        (229, 1.016),  # no room to run the stage
        (179, 1.016),  # not even for the frame
    ],
)
def test_a_device_that_holds_too_much_dies_of_it(world, toy_cluster, memory_bytes, gone_ms):
    outcome = sized(world, toy_cluster, memory_bytes)
    if gone_ms is None:
        assert statuses(outcome) == ["ok"]
        assert outcome.faults == ()
        return
    assert statuses(outcome) == ["timeout"]
    (line,) = outcome.faults
    assert (line["kind"], line["target"], line["number"]) == ("out-of-memory", "d0", 0)
    assert times(line) == at(gone_ms, 300, None)
    assert line["landed"]
    assert line["planned"] is None


def test_inputs_that_wait_fill_the_memory(world, toy_cluster):
    """One runs (100 + 50 + 16 decoded), each that waits holds 80 bytes more."""
    at_once = {"requests": 4, "arrivals_ns": [0, 0, 0, 0]}
    assert statuses(sized(world, toy_cluster, 166 + 3 * 80, **at_once)) == ["ok"] * 4
    outcome = sized(world, toy_cluster, 166 + 3 * 80 - 1, **at_once)
    assert statuses(outcome) == ["timeout"] * 4
    assert outcome.faults[0]["injected_ns"] == round(1.064 * MS), "when the fourth input comes"


def test_a_device_that_ran_out_of_memory_can_come_back(world, toy_cluster):
    outcome = sized(
        world,
        toy_cluster,
        400,
        faults=(fault("rejoin", 500),),
        requests=5,
        arrivals_ns=[0, 0, 0, 0, 600 * MS],
        deadline_ms=100,
    )
    assert statuses(outcome) == ["timeout"] * 4 + ["ok"]
    assert times(outcome.faults[1]) == at(1.064, 300, 501.1)


@pytest.mark.parametrize(("deadlines", "faults"), [(2, 1), (1000, 2)])
def test_jobs_whose_messages_are_lost_do_not_fill_the_memory_for_ever(
    world, toy_cluster, monkeypatch, deadlines, faults
):
    """The gate never opens, and what calls a request off after 30 ms is lost: only forgetting
    what is old keeps 40 inputs of 80 bytes from being held."""
    monkeypatch.setattr("coinfer.runtime.devices.KEEP_DEADLINES", deadlines)
    cluster = toy_cluster(1)
    device = msgspec.structs.replace(cluster.devices[0], memory_bytes=100 + 6 * 80)
    drops = tuple(fault("drop", 20 * n + 9.5, 2) for n in range(1, 50))
    outcome = world.run(
        [student("s0", Need(INPUT), Need(permit("never")), weights_bytes=100)],
        [Replica("s0", "d0")],
        lambda rule, arrival, ctx: [],
        on=msgspec.structs.replace(cluster, devices=(device,)),
        faults=drops[:41],
        requests=40,
        arrivals_ns=[n * 20 * MS for n in range(40)],
        deadline_ms=30,
    )
    assert statuses(outcome) == ["timeout"] * 40
    kinds = {line["kind"] for line in outcome.faults}
    assert len(kinds) == faults
    assert ("out-of-memory" in kinds) == (deadlines == 1000)
