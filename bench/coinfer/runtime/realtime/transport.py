"""Packets on ZeroMQ: ROUTER at the hub (or the source, in native mode), DEALER everywhere else.

ROUTER/DEALER because devices dial in: errors come device by device, there is no slow joiner,
and nothing is dropped in silence.
"""

from __future__ import annotations

import time
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import zmq

from coinfer.runtime.wire import Data, Envelope

COPY_BELOW_BYTES = 65536
"""Handing a frame to the I/O thread without a copy pays from about here."""


class Parcel(msgspec.Struct, frozen=True, tag="parcel"):
    """An envelope under way; its frame, if any, is a message part of its own.

    Attributes
    ----------
    run : int
        Token of the run: what belongs to another one is dropped and counted.
    due_ns : int
        When the receiver gets it, as modelled (real time), or when it was sent (native).
    birth : int
        Life of the device that it comes from or goes to: a later one must not take it.
    """

    run: int
    due_ns: int
    envelope: Envelope
    birth: int = 0


class System(msgspec.Struct, frozen=True, tag="system"):
    """What drivers tell each other; no link model applies.

    Attributes
    ----------
    kind : str
        From a device: ``ready``, ``hello``, ``beat``, ``slowed``, ``overflow``, ``report``. To
        one: ``go``, ``slow``, ``finish``. To the hub: ``go``, ``life``, ``impair``, ``finish``;
        from it: ``lost``, ``alive``, ``report``.
    name : str
        The device that it is about.
    birth : int
        Its life.
    """

    run: int
    kind: str
    name: str
    info: dict[str, Any] = {}
    birth: int = 0


Packet: TypeAlias = Parcel | System

HUB: Final = "hub"


def address(device: str, birth: int) -> str:
    """Where the process of one life of a device is reached.

    Examples
    --------
    >>> address("d0", 1)
    'd0#1'
    """
    return f"{device}#{birth}"


def device_at(where: str) -> str:
    """Device whose life is reached there.

    Examples
    --------
    >>> device_at(address("d0", 1))
    'd0'
    """
    return where.rpartition("#")[0]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Parcel | System)


def pack(packet: Packet) -> list[Any]:
    """Message parts of a packet.

    Examples
    --------
    >>> unpack(pack(System(1, "ready", "d0"))).kind
    'ready'
    """
    if isinstance(packet, Parcel) and isinstance(packet.envelope.body, Data):
        body = packet.envelope.body
        bare = msgspec.structs.replace(
            packet,
            envelope=msgspec.structs.replace(
                packet.envelope, body=msgspec.structs.replace(body, frame=b"")
            ),
        )
        return [_ENCODER.encode(bare), body.frame]
    return [_ENCODER.encode(packet)]


def unpack(parts: list[Any]) -> Packet:
    """Packet from message parts.

    Raises
    ------
    msgspec.MsgspecError
        If the parts are not a packet.
    """
    packet = _DECODER.decode(parts[0])
    if isinstance(packet, Parcel) and isinstance(packet.envelope.body, Data):
        if len(parts) != 2:
            raise msgspec.ValidationError("a parcel with data has two parts")
        body = msgspec.structs.replace(packet.envelope.body, frame=parts[1])
        envelope = msgspec.structs.replace(packet.envelope, body=body)
        return msgspec.structs.replace(packet, envelope=envelope)
    return packet


class Port(Protocol):
    """One end of the transport.

    Attributes
    ----------
    dropped : int
        Messages that were no packet, or that had nobody to go to.
    """

    dropped: int

    def send(self, to: str, packet: Packet) -> None:
        """Hand a packet over; a peer that is gone is not an error."""
        ...

    def receive(self, timeout_ns: int) -> list[Packet]:
        """Packets that have come, after waiting for the first at most so long."""
        ...

    def close(self) -> None:
        """Drop what is not sent yet and free the socket."""
        ...


class _Socket:
    """What both ends share."""

    def __init__(self, kind: int) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(kind)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.SNDHWM, 1000),
            (zmq.RCVHWM, 1000),
            (zmq.MAXMSGSIZE, 1 << 30),
            (zmq.RECONNECT_IVL, 20),
            (zmq.RECONNECT_IVL_MAX, 200),
        ):
            self._socket.setsockopt(option, value)
        self._socket.copy_threshold = COPY_BELOW_BYTES
        self.dropped = 0

    def receive(self, timeout_ns: int) -> list[Packet]:
        """Packets that have come. `zmq_poll` counts whole milliseconds: the rest is slept."""
        whole_ms, rest_ns = divmod(max(timeout_ns, 0), 1_000_000)
        if not self._socket.poll(whole_ms) and rest_ns:
            time.sleep(rest_ns / 1e9)
        packets = []
        while self._socket.poll(0):
            parts = self._socket.recv_multipart()
            try:
                packets.append(self._unpack(parts))
            except (msgspec.MsgspecError, IndexError):
                self.dropped += 1
        return packets

    def _unpack(self, parts: list[Any]) -> Packet:
        return unpack(parts)

    def close(self) -> None:
        """Drop what is not sent yet and free the socket."""
        self._context.destroy(linger=0)


class DealerPort(_Socket):
    """End of a device or of the source: everything goes to the router."""

    def __init__(self, endpoint: str, identity: str) -> None:
        super().__init__(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, identity.encode())
        self._socket.connect(endpoint)

    def send(self, to: str, packet: Packet) -> None:
        """Send to the router, which knows where `to` is."""
        self._socket.send_multipart(pack(packet), copy=False)


class RouterPort(_Socket):
    """End that the others dial; names them by the identity they chose."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.bind(endpoint)

    def send(self, to: str, packet: Packet) -> None:
        """Send to the peer of that name; one that is gone is counted."""
        try:
            self._socket.send_multipart([to.encode(), *pack(packet)], copy=False)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            self.dropped += 1

    def _unpack(self, parts: list[Any]) -> Packet:
        return unpack(parts[1:])
