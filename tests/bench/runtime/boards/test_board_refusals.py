"""Who may not take part is turned away, counted and logged; who may is not disturbed by it.

The router is the one of a run; its peers are sockets in this process.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.cluster import Boards
from coinfer.contract import INPUT, SOURCE, Deployment, ModuleRef, Need, Replica, Stage
from coinfer.errors import ExecutionError
from coinfer.runtime.boards import notes
from coinfer.runtime.boards.code import code_sha256
from coinfer.runtime.boards.crew import entrance
from coinfer.runtime.boards.facts import facts
from coinfer.runtime.boards.keys import KeyFolder
from coinfer.runtime.boards.reception import Reception
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.realtime.gate import Gate
from coinfer.runtime.realtime.packets import Parcel, System, pack
from coinfer.runtime.realtime.remote import Keys, Remote
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Data, Envelope
from coinfer.runtime.wire import Path as TimePath
from coinfer.training.modules import build
from coinfer_kernels import encode

TOKEN = 0x3A5B_0000_1234_5678
STAGES = tuple(
    Stage(f"s-{n}", ModuleRef("torch.nn:Identity"), (Need(INPUT),), (16,), macs=1) for n in "ab"
)
REPLICAS = tuple(Replica(f"s-{n}", n) for n in "ab")
TOPOLOGY = Topology(Deployment(STAGES, REPLICAS, lambda job: None), ("a", "b"))
GATE = Gate(TOKEN, TOPOLOGY, (16,), requests=10, most_rows=1, hub=False)
JOIN = notes.Join(notes.PROTOCOL, "0", code_sha256(), facts())


class Peer:
    """A socket that dials a router, and says what it likes."""

    def __init__(self, bind: str, identity: bytes, keys: Keys | None = None) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, identity)
        Remote(keys).prepare(self.socket)
        self.socket.connect(bind)
        self.numbers = itertools.count(1)

    def say(self, body: Any, number: int | None = None) -> None:
        number = next(self.numbers) if number is None else number
        self.socket.send(notes.encode(notes.Numbered(number, body)))

    def heard(self) -> list[Any]:
        found = []
        while self.socket.poll(100):
            found.append(notes.to_board(self.socket.recv()))
        return found

    def close(self) -> None:
        self.context.destroy(linger=0)


class Lobby:
    """A reception, what it was told, and those who dial it."""

    def __init__(self, bind: str, keys: KeyFolder | None) -> None:
        self.bind = bind
        self.joined: list[str] = []
        self.told: list[Any] = []
        boards = Boards(bind, curve=keys is not None)
        remote, allowed = entrance(boards, keys or KeyFolder(Path("/nowhere")))
        self.reception = Reception(
            bind,
            GATE,
            ("a", "b"),
            remote,
            allowed,
            lambda session: self.joined.append(session.name),
            lambda session, note: self.told.append((session.name, note)),
        )
        self.port = self.reception.port
        self.packets: list[Any] = []
        self.peers: list[Peer] = []

    def dial(self, identity: bytes, keys: Keys | None = None) -> Peer:
        self.peers.append(Peer(self.bind, identity, keys))
        return self.peers[-1]

    def pump(self, done: Callable[[], bool] = lambda: False, seconds: float = 5.0) -> bool:
        import time

        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            self.packets += self.port.receive(10_000_000)
        return done()

    def refuses(self, why: str, times: int = 1) -> bool:
        return self.pump(lambda: self.port.refused[why] >= times)

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.port.close()


@pytest.fixture
def open_lobby(bind: str) -> Iterator[Lobby]:
    lobby = Lobby(bind, None)
    yield lobby
    lobby.close()


@pytest.fixture
def locked_lobby(bind: str, folders: dict[str, Path]) -> Iterator[Lobby]:
    lobby = Lobby(bind, KeyFolder(folders["host"]))
    yield lobby
    lobby.close()


def keys_of(folders: dict[str, Path], name: str) -> Keys:
    return KeyFolder(folders[name]).own(name, server="host")


def still_open(lobby: Lobby, keys: Keys | None = None) -> bool:
    """Whether somebody who may join still can."""
    peer = lobby.dial(b"lobby/b/77", keys)
    peer.say(JOIN)
    return lobby.pump(lambda: "b" in lobby.joined)


def test_an_allowed_key_joins_under_its_name(locked_lobby, folders):
    peer = locked_lobby.dial(b"lobby/a/01", keys_of(folders, "a"))
    peer.say(JOIN)
    assert locked_lobby.pump(lambda: locked_lobby.joined == ["a"])
    peer.say(notes.Prepared("native"))
    assert locked_lobby.pump(lambda: locked_lobby.told == [("a", notes.Prepared("native"))])
    peer.say(notes.Alive(41.5))
    assert locked_lobby.pump(lambda: locked_lobby.reception.sessions["a"].hottest_c == 41.5)
    assert peer.heard() == [notes.Alive()]
    assert locked_lobby.port.foreign == 0


def test_a_key_that_is_not_allowed_is_turned_away(locked_lobby, folders, caplog):
    with caplog.at_level(logging.WARNING, "coinfer.boards"):
        locked_lobby.dial(b"lobby/a/01", keys_of(folders, "stranger")).say(JOIN)
        assert locked_lobby.refuses("key not allowed")
    assert "key not allowed" in caplog.text
    assert locked_lobby.joined == []
    assert locked_lobby.port.foreign >= 1
    assert still_open(locked_lobby, keys_of(folders, "b"))


def test_who_does_not_know_the_hosts_key_gets_no_handshake(locked_lobby, folders):
    own, other = keys_of(folders, "a"), KeyFolder(folders["stranger"]).own("stranger")
    locked_lobby.dial(b"lobby/a/01", Keys(own.public, own.secret, other.public)).say(JOIN)
    assert locked_lobby.refuses("handshake without the host's key")
    assert locked_lobby.joined == []
    assert still_open(locked_lobby, keys_of(folders, "b"))


def test_nobody_joins_in_the_clear_where_keys_are_asked_for(locked_lobby, folders):
    locked_lobby.dial(b"lobby/a/01").say(JOIN)
    # Both ends see that they do not speak the same: it hangs on who hangs up first.
    told = {"handshake that broke off", "handshake without the host's key"}
    assert locked_lobby.pump(lambda: bool(told & locked_lobby.port.refused.keys()))
    assert locked_lobby.joined == []
    assert still_open(locked_lobby, keys_of(folders, "b"))


def test_an_allowed_key_cannot_take_another_name(locked_lobby, folders):
    thief = locked_lobby.dial(b"lobby/b/01", keys_of(folders, "a"))
    thief.say(JOIN)
    assert locked_lobby.refuses("key of another device")
    (answer,) = thief.heard()
    assert "allowed as 'a'" in answer.reason
    # Nor within a run, whose token every board of it knows.
    run = locked_lobby.dial(GATE.identity("b#0"), keys_of(folders, "a"))
    run.socket.send_multipart([(1).to_bytes(8, "big"), *pack(System(TOKEN, "ready", "b"))])
    assert locked_lobby.refuses("key of another device", 2)
    assert locked_lobby.packets == []
    assert still_open(locked_lobby, keys_of(folders, "b"))


@pytest.mark.parametrize(
    ("identity", "join", "why", "told"),
    [
        (b"lobby/c/01", JOIN, "unknown name", "there are a, b"),
        (
            b"lobby/a/01",
            notes.Join(notes.PROTOCOL + 1, "9.9", code_sha256(), JOIN.facts),
            "another version",
            "install the same release",
        ),
        (
            b"lobby/a/01",
            notes.Join(notes.PROTOCOL, "0.1.0", "f" * 64, JOIN.facts),
            "other code",
            "install the same release",
        ),
    ],
)
def test_who_does_not_fit_is_told_why(open_lobby, identity, join, why, told, caplog):
    peer = open_lobby.dial(identity)
    with caplog.at_level(logging.WARNING, "coinfer.boards"):
        peer.say(join)
        assert open_lobby.refuses(why)
    (answer,) = peer.heard()
    assert isinstance(answer, notes.Refusal)
    assert told in answer.reason
    assert why in caplog.text
    assert open_lobby.joined == []
    assert open_lobby.port.foreign == 1
    assert still_open(open_lobby)


def test_without_keys_a_name_is_whose_came_first(open_lobby):
    first = open_lobby.dial(b"lobby/a/01")
    first.say(JOIN)
    assert open_lobby.pump(lambda: open_lobby.joined == ["a"])
    open_lobby.dial(b"lobby/a/02").say(JOIN)
    assert open_lobby.refuses("name that is taken")
    first.say(notes.Prepared("native"))
    assert open_lobby.pump(lambda: open_lobby.told == [("a", notes.Prepared("native"))])


def test_with_keys_a_board_that_was_started_again_takes_its_place(locked_lobby, folders):
    for session in (b"01", b"02"):
        locked_lobby.dial(b"lobby/a/" + session, keys_of(folders, "a")).say(JOIN)
        assert locked_lobby.pump(
            lambda s=session: (
                "a" in locked_lobby.reception.sessions
                and locked_lobby.reception.sessions["a"].identity.endswith(s)
            )
        )
    assert locked_lobby.joined == ["a", "a"]


def test_a_note_counts_once(open_lobby):
    peer = open_lobby.dial(b"lobby/a/01")
    peer.say(JOIN)
    peer.say(notes.Prepared("native"))
    assert open_lobby.pump(lambda: len(open_lobby.told) == 1)
    peer.say(notes.Prepared("reference"), number=2)
    peer.say(JOIN, number=1)
    assert open_lobby.refuses("note that was there before", 2)
    assert open_lobby.told == [("a", notes.Prepared("native"))]
    assert open_lobby.joined == ["a"]


def test_nothing_is_heard_before_a_handshake(open_lobby):
    peer = open_lobby.dial(b"lobby/a/01")
    peer.say(notes.Prepared("native"))
    assert open_lobby.refuses("note before a handshake")
    assert open_lobby.told == []
    assert peer.heard() == [notes.Again()]


def test_messages_that_are_malformed_or_too_large_change_nothing(open_lobby):
    peer = open_lobby.dial(b"lobby/a/01")
    for parts in ([b"noise"], [b"", b""], [b"\x91" * 100_000], [bytes(2 << 20)]):
        peer.socket.send_multipart(parts)
    assert open_lobby.pump(lambda: open_lobby.port.foreign == 4)
    assert open_lobby.port.refused["oversized message"] == 1
    assert open_lobby.port.refused["malformed note"] == 3
    # Beyond any measure ZeroMQ itself ends the connection, and nothing arrives.
    peer.socket.send(bytes(64 << 20))
    assert not open_lobby.pump(lambda: open_lobby.port.foreign > 4, seconds=0.5)
    assert still_open(open_lobby)


def parcel(row: int) -> list[bytes]:
    frame = bytes(encode(np.ones((1, 16), np.float32), "int8"))
    body = Data(row, 1, "s-a", None, (row,), frame, len(frame) - 64)
    return [bytes(p) for p in pack(Parcel(TOKEN, 7, Envelope("a", SOURCE, 5, TimePath(1), body)))]


def test_packets_of_a_run_are_taken_once_and_in_order(open_lobby):
    peer = open_lobby.dial(GATE.identity("a#0"))
    for number in (1, 2, 2, 1, 5, 4):
        peer.socket.send_multipart([number.to_bytes(8, "big"), *parcel(number)])
    assert open_lobby.refuses("message that was there before", 3)
    assert [p.envelope.body.job for p in open_lobby.packets] == [1, 2, 5]
    # One without its number, and one of a former run, which had another token.
    peer.socket.send_multipart(parcel(6))
    old = [bytes(p) for p in pack(System(TOKEN ^ 1, "ready", "a"))]
    peer.socket.send_multipart([(9).to_bytes(8, "big"), *old])
    assert open_lobby.refuses("malformed or foreign message", 2)
    peer.socket.send_multipart([(6).to_bytes(8, "big"), *parcel(6)])
    assert open_lobby.pump(lambda: len(open_lobby.packets) == 4)
    assert open_lobby.port.foreign == 5


def test_the_token_of_a_run_is_not_logged(open_lobby, caplog):
    with caplog.at_level(logging.DEBUG):
        open_lobby.dial(GATE.identity("c#0")).socket.send_multipart([b"x", b"y"])
        assert open_lobby.refuses("malformed or foreign message")
    assert f"{TOKEN:016x}" not in caplog.text


def test_boards_that_do_not_come_are_named(scenario_on, bind):
    """The cell fails with what to do; who knocked in vain is told of, and told why."""
    peers = [Peer(bind, b"lobby/a/01"), Peer(bind, b"lobby/c/01")]
    for peer in peers:
        peer.say(JOIN)
    driver = RealtimeDriver(scenario_on(bind, join_s=2.0), build, dilated=False)
    with pytest.raises(ExecutionError, match=r"b did not join.*refused: unknown name, 1 times"):
        driver.run()
    (refusal,) = peers[1].heard()
    assert "there are a, b" in refusal.reason
    kinds = [type(note) for note in peers[0].heard()]
    assert kinds == [notes.Deploy, notes.Over]
    for peer in peers:
        peer.close()


def test_an_address_that_is_taken_is_told(open_lobby, bind):
    with pytest.raises(ExecutionError, match=r"cannot bind .*another run or probe"):
        Lobby(bind, None)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_upset_the_reader_of_notes(content):
    try:
        note = notes.from_board(content)
    except ValueError:
        return
    assert notes.from_board(notes.encode(note)) == note
