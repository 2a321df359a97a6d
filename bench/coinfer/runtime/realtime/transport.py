"""Packets on ZeroMQ: ROUTER at the hub (or the source, in native mode), DEALER everywhere else.

ROUTER/DEALER because devices dial in: errors come device by device, there is no slow joiner,
and nothing is dropped in silence. What comes in passes the gate before anybody acts on it.
"""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Protocol

import zmq

from coinfer.runtime.realtime.gate import Gate
from coinfer.runtime.realtime.packets import COPY_BELOW_BYTES, Packet, Parcel, pack
from coinfer.runtime.realtime.remote import NUMBER_BYTES, Remote

OPTIONS: Final = (
    (zmq.LINGER, 0),
    (zmq.RCVHWM, 100),
    (zmq.RECONNECT_IVL, 20),
    (zmq.RECONNECT_IVL_MAX, 200),
)
"""Of every socket. No heartbeats of ZMTP: they would cut off a device that is paused, and miss one
whose loop hangs; ours come from a thread of the device."""

SEND_MS: Final = 5000
"""Longest wait for room in the queue to the router; it is full only while the router is not up."""

SPIN_NS: Final = 100_000
"""Sharpened sleeps overshoot by less than this on a quiet machine: what is left is spun."""

BURST: Final = 64
"""Packets taken at once at most: a flood must not keep what is due from being done."""


class Port(Protocol):
    """One end of the transport.

    Attributes
    ----------
    foreign : int
        Messages that the gate refused: no packet, of another run, or not as this run has them.
    undelivered : int
        Parcels that had nobody to go to.
    """

    foreign: int
    undelivered: int

    def send(self, to: str, packet: Packet) -> None:
        """Hand a packet over; a peer that is gone is not an error."""
        ...

    def receive(self, timeout_ns: int) -> list[Packet]:
        """Packets that have come, after waiting for the first at most so long."""
        ...

    def close(self) -> None:
        """Drop what is not sent yet and free the socket."""
        ...


class _Socket(ABC):
    """What both ends share."""

    def __init__(self, kind: int, gate: Gate) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(kind)
        for option, value in OPTIONS:
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.MAXMSGSIZE, gate.most_bytes)
        self._socket.copy_threshold = COPY_BELOW_BYTES
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._gate = gate
        self.foreign = 0
        self.undelivered = 0

    def receive(self, timeout_ns: int) -> list[Packet]:
        """Packets that have come.

        `zmq_poll` counts whole milliseconds: the rest is slept, then spun. Nothing is taken while
        it sleeps, for less than a millisecond before something is due.
        """
        if timeout_ns > 0:
            end_ns = time.monotonic_ns() + timeout_ns
            if not self._poller.poll(timeout_ns // 1_000_000):
                left_ns = end_ns - time.monotonic_ns()
                if left_ns > SPIN_NS:
                    time.sleep((left_ns - SPIN_NS) / 1e9)
                while time.monotonic_ns() < end_ns and not self._poller.poll(0):
                    pass
        packets = []
        for _ in range(BURST):
            try:
                packet = self._next()
            except zmq.Again:
                break
            if packet is not None:
                packets.append(packet)
        return packets

    def _next(self) -> Packet | None:
        """Take a message; None if it is not let in. `zmq.Again` says that there is none."""
        packet = self._admitted(self._socket.recv_multipart(zmq.NOBLOCK))
        self.foreign += packet is None
        return packet

    @abstractmethod
    def _admitted(self, parts: Sequence[bytes]) -> Packet | None:
        """The packet that the parts are, or None if it is not let in."""

    def _send(self, packet: Packet, parts: list[Any]) -> None:
        try:
            # Part by part: `send_multipart` does the same, and looks at every part first.
            for part in parts[:-1]:
                self._socket.send(part, zmq.SNDMORE)
            # Small ones are copied in any case, and making frames of them is dearer than that.
            self._socket.send(parts[-1], copy=len(parts[-1]) < COPY_BELOW_BYTES)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            self.undelivered += isinstance(packet, Parcel)

    def close(self) -> None:
        """Drop what is not sent yet and free the socket."""
        self._context.destroy(linger=0)


class DealerPort(_Socket):
    """End of a device or of the source: everything goes to the router."""

    def __init__(self, endpoint: str, gate: Gate, name: str, remote: Remote | None = None) -> None:
        super().__init__(zmq.DEALER, gate)
        self._socket.setsockopt(zmq.IDENTITY, gate.identity(name))
        self._socket.setsockopt(zmq.SNDTIMEO, SEND_MS)
        self._numbers = None if remote is None else itertools.count(1)
        if remote is not None:
            remote.prepare(self._socket)
        self._socket.connect(endpoint)

    def send(self, to: str, packet: Packet) -> None:
        """Send to the router, which knows where `to` is."""
        parts = pack(packet)
        if self._numbers is not None:
            parts.insert(0, next(self._numbers).to_bytes(NUMBER_BYTES, "big"))
        self._send(packet, parts)

    def _admitted(self, parts: Sequence[bytes]) -> Packet | None:
        return self._gate.from_router(parts)


class RouterPort(_Socket):
    """End that the others dial; knows them by the identity they show.

    A peer that shows an identity which is taken is not let in (no ``ROUTER_HANDOVER``): nobody
    loses messages to it. A device that comes back has another identity.
    """

    def __init__(self, endpoint: str, gate: Gate) -> None:
        super().__init__(zmq.ROUTER, gate)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # What waits for a paused device has to wait, and must not hold up the others.
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._prepare()
        self._socket.bind(endpoint)

    def _prepare(self) -> None:
        """Set what else the socket needs before it can be dialled."""

    def send(self, to: str, packet: Packet) -> None:
        """Send to the peer of that name."""
        self._send(packet, [self._gate.identity(to), *pack(packet)])

    def _admitted(self, parts: Sequence[bytes]) -> Packet | None:
        return self._gate.from_peer(parts[0], parts[1:])
