"""What drivers send each other, as message parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import msgspec

from coinfer.runtime.wire import Data, Envelope, Natural

COPY_BELOW_BYTES: Final = 65536
"""Handing a frame to the I/O thread without a copy, as a part of its own, pays from about here."""


class Parcel(msgspec.Struct, frozen=True, tag="parcel"):
    """An envelope under way; a large frame is a message part of its own.

    Attributes
    ----------
    run : int
        Token of the run: a secret that no other run shares.
    due_ns : int
        When the receiver gets it, as modelled (real time), or when it was sent (native).
    birth : int
        Life of the device that it goes to: a later one must not take it.
    """

    run: Natural
    due_ns: Natural
    envelope: Envelope
    birth: Natural = 0


class System(msgspec.Struct, frozen=True, tag="system"):
    """What drivers tell each other; no link model applies.

    Attributes
    ----------
    kind : str
        From a device: ``ready``, ``hello``, ``beat``, ``slowed``, ``overflow``, ``spans``,
        ``report``. To
        one: ``go``, ``slow``, ``finish``. To the hub: ``go``, ``life``, ``impair``, ``finish``;
        from it: ``lost``, ``alive``, ``report``.
    name : str
        The device that it is about.
    birth : int
        Its life.
    """

    run: Natural
    kind: str
    name: str
    info: dict[str, Any] = {}
    birth: Natural = 0


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
        frame = packet.envelope.body.frame
        if len(frame) >= COPY_BELOW_BYTES:
            return [_ENCODER.encode(_with_frame(packet, packet.envelope.body, b"")), frame]
    return [_ENCODER.encode(packet)]


def unpack(parts: Sequence[Any]) -> Packet:
    """Packet from message parts.

    Raises
    ------
    ValueError
        If the parts are not a packet (`msgspec.MsgspecError` and `UnicodeDecodeError` are some).
    """
    if not 1 <= len(parts) <= 2:
        raise ValueError("a packet has one part, or two with a large frame")
    try:
        packet = _DECODER.decode(parts[0])
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if len(parts) == 1:
        return packet
    body = packet.envelope.body if isinstance(packet, Parcel) else None
    if not isinstance(packet, Parcel) or not isinstance(body, Data) or len(body.frame):
        raise ValueError("a second part where there is no room for a frame")
    return _with_frame(packet, body, parts[1])


def _with_frame(parcel: Parcel, body: Data, frame: Any) -> Parcel:
    body = msgspec.structs.replace(body, frame=frame)
    envelope = msgspec.structs.replace(parcel.envelope, body=body)
    return msgspec.structs.replace(parcel, envelope=envelope)
