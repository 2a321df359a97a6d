"""The router that boards dial: who they are is settled by their keys, before a word is heard."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from coinfer.errors import ExecutionError
from coinfer.runtime.boards.notes import LOBBY
from coinfer.runtime.realtime.gate import BEAT_SUFFIX, Gate
from coinfer.runtime.realtime.packets import Packet, device_at
from coinfer.runtime.realtime.remote import NUMBER_BYTES, Remote
from coinfer.runtime.realtime.transport import RouterPort

log = logging.getLogger("coinfer.boards")

LOGGED: Final = 20
"""Refusals of one kind that are logged; all are counted."""

HARD_LIMIT: Final = 2
"""ZeroMQ ends the connection of whoever sends so many times the most; below that it is counted."""

_HANDSHAKES: Final = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "key not allowed",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "handshake without the host's key",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshake that broke off",
}

Hear = Callable[[bytes, Sequence[bytes], str | None], None]
"""Told a note: identity, message parts, and the name that the key stands for."""


class BoardPort(RouterPort):
    """Router for devices on other machines.

    Parameters
    ----------
    endpoint : str
    gate : Gate
    remote : Remote
        Of this machine; with keys, only those that are allowed are let in.
    allowed : mapping of bytes to str
        Names by public keys.
    hear : callable

    Attributes
    ----------
    refused : Counter of str
        What was refused, by why.

    Raises
    ------
    ExecutionError
        If the address cannot be bound.
    """

    def __init__(
        self, endpoint: str, gate: Gate, remote: Remote, allowed: Mapping[bytes, str], hear: Hear
    ) -> None:
        self._remote = remote
        self._allowed = allowed
        self._hear = hear
        self._authenticator: ThreadAuthenticator | None = None
        self._numbers: dict[bytes, int] = {}
        self._most_bytes = gate.most_bytes
        self.refused: Counter[str] = Counter()
        try:
            super().__init__(endpoint, gate)
        except zmq.ZMQError as error:
            self.close()
            raise ExecutionError(
                f"boards: cannot bind {endpoint}: {error.strerror}; another run or probe may hold "
                "it, or it is no address of this machine"
            ) from None

    def _prepare(self) -> None:
        """Have keys checked, and handshakes watched."""
        socket = self._socket
        socket.setsockopt(zmq.MAXMSGSIZE, HARD_LIMIT * self._most_bytes)
        self._remote.prepare(socket)
        self._secured = self._remote.keys is not None
        if self._secured:
            self._authenticator = _Guard(self._context, self._allowed)
            self._authenticator.start()
            # A board whose connection died unseen comes back under its identity, which only
            # somebody with an allowed key could show.
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        events = 0
        for event in _HANDSHAKES:
            events |= event
        self._monitor = socket.get_monitor_socket(events)

    def note(self, identity: bytes, content: bytes) -> None:
        """Send a note; a board that is gone is not an error."""
        try:
            self._socket.send_multipart([identity, content])
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise

    def refuse(self, why: str, who: str) -> None:
        """Count what is not let in, and log the first of its kind."""
        self.refused[why] += 1
        self.foreign += 1
        if self.refused[why] <= LOGGED:
            log.warning("refused %s: %s", who, why)

    def receive(self, timeout_ns: int) -> list[Packet]:
        """Packets that have come; notes are heard on the way."""
        packets = super().receive(timeout_ns)
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            self.refuse(_HANDSHAKES[zmq.Event(event["event"])], "a connection")
        return packets

    def close(self) -> None:
        """Drop what is not sent yet and free the sockets."""
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None
        self._socket.disable_monitor()
        super().close()

    def _next(self) -> Packet | None:
        first = self._socket.recv(zmq.NOBLOCK, copy=False)
        user = str(first.get("User-Id")) if self._secured else None
        identity, parts = first.bytes, self._socket.recv_multipart(zmq.NOBLOCK)
        if sum(map(len, parts)) > self._most_bytes:
            self.refuse("oversized message", _shown(identity))
        elif identity.startswith(LOBBY):
            self._hear(identity, parts, user)
        else:
            return self._packet(identity, parts, user)
        return None

    def _packet(self, identity: bytes, parts: list[bytes], user: str | None) -> Packet | None:
        number, *rest = parts
        packet = self._gate.from_peer(identity, rest) if len(number) == NUMBER_BYTES else None
        if packet is None:
            self.refuse("malformed or foreign message", _shown(identity))
            return None
        # The gate has seen that the identity is that of a life of a device of this run.
        if user is not None and user != _device(identity):
            self.refuse("key of another device", _shown(identity))
            return None
        count = int.from_bytes(number, "big")
        if count <= self._numbers.get(identity, 0):
            self.refuse("message that was there before", _shown(identity))
            return None
        self._numbers[identity] = count
        return packet


class _Guard(ThreadAuthenticator):
    """Answers ZeroMQ's question (ZAP) whether a key is let in, and under which name."""

    def __init__(self, context: zmq.Context[Any], allowed: Mapping[bytes, str]) -> None:
        super().__init__(context, log=logging.getLogger("coinfer.boards.zap"))
        self._names = dict(allowed)
        self.configure_curve_callback("*", self)

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a public key, in Z85, is an allowed one."""
        return key in self._names

    def curve_user_id(self, client_public_key: bytes) -> str:
        """Name that goes with every message of the connection."""
        return self._names[z85.encode(client_public_key)]


def _device(identity: bytes) -> str:
    where = identity.rpartition(b"@")[0].decode()
    return device_at(where.removesuffix(BEAT_SUFFIX))


def _shown(identity: bytes) -> str:
    """An identity for a log, without the token of the run that it may end in."""
    return repr(identity.partition(b"@")[0][:80])
