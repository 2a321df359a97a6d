"""Frames, written and read with the loops of a Python back end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from .._encodings import ENCODINGS, MIN_SCALE, Encoding, Quantiser
from .._frame import CRC_OFFSET, FrameInfo, as_bytes, pack_header, unpack_header
from .._layout import HEADER_BYTES, Scopes, scopes_of, table_bytes_of
from ..errors import FrameError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .._affine import Affine
    from .loops import Loops

    Bytes = npt.NDArray[np.uint8]
    Float32 = npt.NDArray[np.float32]


def write(
    loops: Loops, x: Float32, encoding: Encoding, crc: bool, frame: bytearray | memoryview
) -> int:
    """Write `x` to the beginning of `frame`, which has room for it, and return the bytes."""
    payload = np.frombuffer(frame, np.uint8, offset=HEADER_BYTES)
    flat = x.reshape(-1)
    table = table_bytes_of(encoding, x.shape)
    values = payload[table:]
    if encoding.sparse:
        flat = loops.compress(flat, payload[:table])
    values = values[: encoding.value_bytes(flat.size)]
    scale, zero_point = 0.0, 0
    if (quantiser := encoding.quantiser) is not None:
        # The elements left out of a sparse tensor are zero, and every range holds zero anyway.
        scopes = scopes_of(encoding, flat.shape if encoding.sparse else x.shape)
        by = _quantise(loops, flat, scopes, encoding.name, quantiser, values)
        if encoding.scope == "tensor":
            scale, zero_point = float(by.scale[0]), int(by.zero_point[0])
        else:
            payload[: 4 * scopes.number].view("<f4")[:] = by.scale
            payload[4 * scopes.number : table].view(np.int8)[:] = by.zero_point
    elif encoding.name == "bf16":
        loops.narrow_bf16(flat, values.view("<u2"))
    elif encoding.bits == 16:
        loops.narrow(flat, values.view("<u2"))
    else:
        values.view("<f4")[:] = flat
    payload_bytes = table + values.size
    pack_header(
        frame, encoding, x.shape, payload_bytes, scale=scale, zero_point=zero_point, crc=crc
    )
    size = HEADER_BYTES + payload_bytes
    if crc:
        whole = memoryview(frame)[:size]
        whole[CRC_OFFSET:HEADER_BYTES] = _checksum(loops, whole).to_bytes(4, "little")
    return size


def _quantise(
    loops: Loops,
    x: Float32,
    scopes: Scopes,
    encoding: str,
    quantiser: Quantiser,
    values: Bytes,
) -> Affine:
    """Write quantised values, and return by what."""
    low, high = np.empty((2, scopes.number), np.float32)
    loops.spans(x, scopes, low, high)
    by = loops.affine(encoding, quantiser, low, high)
    if quantiser.bits == 8:
        loops.quantise(x, scopes, quantiser, by, values.view(np.int8))
    else:
        q = np.empty(x.size, np.int8)
        loops.quantise(x, scopes, quantiser, by, q)
        loops.pack4(q, values)
    return by


class Opened(NamedTuple):
    """A frame that has passed every check."""

    info: FrameInfo
    payload: Bytes


def open_frame(loops: Loops, buffer: Buffer) -> Opened:
    """Check a frame: its header, its length, its checksum, and then its content."""
    frame = as_bytes(buffer)
    info, crc = unpack_header(frame)
    if len(frame) != info.frame_bytes:
        raise FrameError("length", f"{len(frame)} bytes, the header says {info.frame_bytes}")
    if info.has_crc and _checksum(loops, frame) != crc:
        raise FrameError("crc", "the checksum does not match: header or payload is damaged")
    payload = np.frombuffer(frame, np.uint8, offset=HEADER_BYTES)
    encoding = ENCODINGS[info.encoding]
    if encoding.sparse:
        _check_bitmap(loops, info, encoding, payload)
    elif info.table_bytes and encoding.quantiser is not None:
        _check_table(encoding.quantiser, payload[: info.table_bytes])
    if encoding.bits == 4 and info.elements % 2 and payload[-1] >> 4:
        raise FrameError("padding", "the half byte after the last value must be zero")
    return Opened(info, payload)


def _check_table(quantiser: Quantiser, table: Bytes) -> None:
    scales, zero_points = _table(quantiser, table)
    # Written so that NaN is refused, too.
    if not ((scales >= MIN_SCALE) & (scales <= np.float32(quantiser.max_scale))).all():
        raise FrameError("scales", "one of them is not a usable step")
    if (zero_points < quantiser.least).any() or (zero_points > quantiser.most).any():
        raise FrameError("zero_points", f"one is outside {quantiser.least}..{quantiser.most}")


def _check_bitmap(loops: Loops, info: FrameInfo, encoding: Encoding, payload: Bytes) -> None:
    bitmap = payload[: info.table_bytes]
    if info.elements % 8 and bitmap[-1] >> info.elements % 8:
        raise FrameError("bitmap", "the bits after the last element must be zero")
    count = (info.payload_bytes - info.table_bytes) // encoding.value_bytes(1)
    marked = loops.population(bitmap)
    if marked != count:
        raise FrameError("bitmap", f"{marked} elements are marked, but there are {count} values")


def _table(quantiser: Quantiser, table: Bytes) -> tuple[Float32, npt.NDArray[np.int32]]:
    """Scales and zero points of each scope, aligned."""
    count = table.size // 5
    scales = table[: 4 * count].view("<f4").astype(np.float32)
    stored = np.int8 if quantiser.bits == 8 else np.uint8
    return scales, table[4 * count :].view(stored).astype(np.int32)


def read(loops: Loops, opened: Opened, out: Float32) -> None:
    """Decode a checked frame into the flat array `out`."""
    info, payload = opened
    encoding = ENCODINGS[info.encoding]
    table, values = payload[: info.table_bytes], payload[info.table_bytes :]
    target = out
    if encoding.sparse:
        target = np.empty(values.size // encoding.value_bytes(1), np.float32)
    if (quantiser := encoding.quantiser) is not None:
        if encoding.scope == "tensor":
            scales = np.full(1, info.scale, np.float32)
            zero_points = np.full(1, info.zero_point, np.int32)
        else:
            scales, zero_points = _table(quantiser, table)
        q = values.view(np.int8)
        if quantiser.bits == 4:
            q = np.empty(target.size, np.int8)
            loops.unpack4(values, q)
        scopes = scopes_of(encoding, target.shape if encoding.sparse else info.shape)
        loops.dequantise(q, scopes, scales, zero_points, target)
    elif encoding.name == "bf16":
        loops.widen_bf16(values.view("<u2"), target)
    elif encoding.bits == 16:
        loops.widen(values.view("<u2"), target)
    else:
        target[:] = values.view("<f4")
    if encoding.sparse:
        loops.expand(table, target, out)


def _checksum(loops: Loops, frame: memoryview) -> int:
    data = np.frombuffer(frame, np.uint8)
    head = loops.crc32c(data[:CRC_OFFSET], 0)
    return loops.crc32c(data[HEADER_BYTES:], head)
