"""What the gate lets in is what the topology has, from who has it; nothing else upsets it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.contract import (
    INPUT,
    SOURCE,
    Deployment,
    ModuleRef,
    Need,
    OnDemand,
    Replica,
    Slice,
    Stage,
)
from coinfer.runtime.realtime.gate import Gate
from coinfer.runtime.realtime.packets import Parcel, System, address, pack, unpack
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Control, Data, Envelope, Path
from coinfer_kernels import encode

TOKEN = 0x3A5B_0000_1234_5678
IDENTITY = ModuleRef("torch.nn:Identity")

STAGES = (
    Stage("a", IDENTITY, (Need(INPUT),), (4,), macs=1),
    Stage("b", IDENTITY, (Need("a", Slice(1, 0, 2)), Need("permit:go")), (2,), macs=1),
    Stage("c", IDENTITY, (Need(INPUT),), (4,), macs=1, to_source=False),
)
REPLICAS = (Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d0", OnDemand()))
TOPOLOGY = Topology(Deployment(STAGES, REPLICAS, lambda job: None), ("d0", "d1", "d2"))
GATE = Gate(TOKEN, TOPOLOGY, (4,), requests=10, most_rows=3, hub=True)


def data(sender="d0", to=SOURCE, stage="a", rows=(2, 3), shape=(2, 4), **more):
    frame = more.pop("frame", None)
    if frame is None:
        frame = bytes(encode(np.ones(shape, np.float32), "int8"))
    payload = more.pop("payload_bytes", len(frame) - 64)
    body = {"job": 1, "size": 3, "select": None, "spent": {}} | more
    select = body.pop("select")
    made = Data(body["job"], body["size"], stage, select, rows, frame, payload, body["spent"])
    return Envelope(sender, to, 5, Path(1, 2), made)


def control(kind, name, to, rows=(2,), sender=SOURCE, job=1):
    return Envelope(sender, to, 5, Path(1), Control(kind, job, name, rows))


def at(name):
    return name if name == SOURCE else address(name, 0)


def admitted(envelope, who=None, run=TOKEN):
    parts = [bytes(part) for part in pack(Parcel(run, 7, envelope))]
    return GATE.from_peer(GATE.identity(who or at(envelope.sender)), parts) is not None


@pytest.mark.parametrize(
    "envelope",
    [
        data(),
        data(spent={3: (1, 2, 3, 4)}),
        data(to="d1", select=Slice(1, 0, 2), shape=(2, 2)),
        data("d1", stage="b", shape=(2, 2)),
        data(SOURCE, "d0", INPUT),
        control("permit", "go", "d1"),
        control("start", "c", "d0", ()),
        control("stop", "", "d1", (0, 9)),
    ],
)
def test_what_the_run_sends_is_let_in(envelope):
    assert admitted(envelope)
    assert GATE.from_router(pack(Parcel(TOKEN, 7, envelope))) is not None
    assert not admitted(envelope, run=TOKEN + 1)
    assert not admitted(envelope, who="d2#0")
    assert not admitted(envelope, who="d0")
    assert not admitted(envelope, who="d0#0/beat")
    assert GATE.from_peer(envelope.sender.encode(), pack(Parcel(TOKEN, 7, envelope))) is None


@pytest.mark.parametrize(
    "envelope",
    [
        data("d1"),
        data(stage="nowhere"),
        data(stage="c"),
        data(to="d2"),
        data(to="d1"),
        data(to="d1", select=Slice(1, 0, 3), shape=(2, 3)),
        data(rows=()),
        data(rows=(2, 2)),
        data(rows=(2, 10)),
        data(rows=(-1, 2)),
        data(rows=(1, 2, 3, 4), shape=(4, 4), size=4),
        data(job=10),
        data(job=-1),
        data(size=1),
        data(shape=(2, 5)),
        data(shape=(3, 4)),
        data(payload_bytes=9),
        data(frame=b"short", payload_bytes=0),
        data(spent={10: (1, 2, 3, 4)}),
        data(spent={3: (-1, 2, 3, 4)}),
        data(SOURCE, "d1", INPUT),
        control("stop", "", "d1", sender="d0"),
        control("permit", "go", "d0"),
        control("permit", "nothing", "d1"),
        control("start", "b", "d0"),
        control("stop", "", "d2"),
        control("melt", "", "d1"),
    ],
)
def test_what_the_run_does_not_send_is_refused(envelope):
    assert not admitted(envelope)


@pytest.mark.parametrize(
    ("who", "kind", "name", "allowed"),
    [
        ("d0#0", "ready", "d0", True),
        ("d0#0", "ready", "d1", False),
        ("d0#0", "lost", "d1", False),
        ("d0#0", "finish", "d0", False),
        ("d0#0/beat", "beat", "d0", True),
        ("d0#0", "beat", "d0", False),
        ("source/beat", "go", "source", False),
        ("d9#0", "ready", "d9", False),
        ("d0#1", "ready", "d0", False),
        ("d0", "ready", "d0", False),
        ("source", "go", "source", True),
    ],
)
def test_everybody_says_only_what_is_theirs_to_say(who, kind, name, allowed):
    parts = pack(System(TOKEN, kind, name))
    assert (GATE.from_peer(GATE.identity(who), parts) is not None) == allowed


def test_a_damaged_frame_is_let_in_so_that_its_receiver_counts_it():
    frame = bytearray(encode(np.ones((2, 4), np.float32), "int8"))
    frame[-1] ^= 1
    assert admitted(data(frame=bytes(frame)))


REAL = [pack(Parcel(TOKEN, 7, data())), pack(System(TOKEN, "ready", "d0", {"real_ns": 3}))]


@given(st.lists(st.binary(max_size=200), max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_bytes_upset_the_gate(parts):
    assert GATE.from_peer(GATE.identity("d0#0"), parts) is None
    assert GATE.from_router(parts) is None


@given(
    st.sampled_from(REAL),
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 255)), min_size=1, max_size=3),
    st.integers(0, 20),
)
@settings(max_examples=150, deadline=None)
def test_what_is_let_in_of_mutated_messages_is_still_what_the_run_sends(parts, flips, cut):
    changed = bytearray(parts[0])
    for place, mask in flips:
        changed[place % len(changed)] ^= mask
    changed = bytes(changed[: len(changed) - cut])
    packet = GATE.from_peer(GATE.identity("d0#0"), [changed])
    if packet is None:
        return
    assert packet == unpack([changed])
    assert packet.run == TOKEN
    if isinstance(packet, Parcel):
        body = packet.envelope.body
        assert (packet.envelope.sender, packet.envelope.to, body.stage) == ("d0", SOURCE, "a")
        assert set(body.rows) <= set(range(10))
        assert 1 <= len(body.rows) <= body.size <= 3
    else:
        assert (packet.kind, packet.name) in {("ready", "d0"), ("report", "d0")}


@given(
    st.builds(
        Parcel,
        st.just(TOKEN),
        st.integers(0, 1 << 62),
        st.builds(
            Envelope,
            st.sampled_from(["d0", "d1", "d2", SOURCE, "x"]),
            st.sampled_from(["d0", "d1", "d2", SOURCE, "x"]),
            st.integers(-1, 1 << 62),
            st.builds(Path, *[st.integers(-1, 1 << 62)] * 6),
            st.one_of(
                st.builds(
                    Data,
                    st.integers(-1, 11),
                    st.integers(-1, 4),
                    st.sampled_from(["a", "b", "c", INPUT, "x"]),
                    st.sampled_from([None, Slice(1, 0, 2), Slice(0, 0, 1), Slice(9, 5, -5)]),
                    st.lists(st.integers(-1, 10), max_size=4).map(tuple),
                    st.sampled_from(
                        [bytes(80), bytes(encode(np.ones((1, 4), np.float32), "int8"))]
                    ),
                    st.integers(-1, 100),
                ),
                st.builds(
                    Control,
                    st.sampled_from(["permit", "stop", "start"]),
                    st.integers(-1, 11),
                    st.sampled_from(["", "go", "c"]),
                    st.lists(st.integers(-1, 10), max_size=4).map(tuple),
                ),
            ),
            st.sampled_from([(), ("d0", "d1"), (SOURCE,)]),
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_well_formed_messages_are_let_in_only_where_the_topology_has_them(parcel):
    envelope, body = parcel.envelope, parcel.envelope.body
    let_in = GATE.from_peer(GATE.identity(at(envelope.sender)), pack(parcel)) is not None
    if let_in:
        assert not envelope.group
        assert 0 <= body.job < 10
        assert all(0 <= row < 10 for row in body.rows)
        if isinstance(body, Data):
            assert envelope.sender == SOURCE or body.stage in TOPOLOGY.on[envelope.sender]
            assert len(body.frame) == body.payload_bytes + 64
        else:
            assert envelope.sender == SOURCE
            assert envelope.to in ("d0", "d1")


def test_messages_larger_than_any_of_the_run_are_bounded():
    """Room for the largest tensor at eight bytes a number, and no more than a few MB beside it."""
    wide = Topology(
        Deployment((Stage("w", IDENTITY, (Need(INPUT),), (1_000_000,), macs=1),), (), None), ("d0",)
    )
    most = Gate(1, wide, (4,), requests=10, most_rows=2, hub=True).most_bytes
    assert 16_000_000 < most < 18_000_000
