"""The 64-byte header of wire version 1 and its rules.

The C++ side keeps the same rules in ``csrc/core/frame.cpp``; the conformance suite holds both
to the same frames and to the same errors. The byte table is in ``docs/kernels.md``.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from ._encodings import BY_CODE, MIN_SCALE, Encoding, encoding_named
from ._layout import (
    HEADER_BYTES,
    MAX_DIMS,
    checked_elements,
    encoded_size,
    parameter_of,
    table_bytes_of,
)
from .errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

# The native back end finds here, too, what raises its errors.
__all__ = [
    "FrameInfo",
    "as_bytes",
    "checked_elements",
    "encoded_size",
    "encoding_named",
    "pack_header",
    "peek",
    "unpack_header",
]

MAGIC: Final = b"CIKF"
VERSION: Final = 1

FLAG_CRC: Final = 1
CRC_OFFSET: Final = 60
"""The checksum comes last, so that it covers bytes 0-59 and everything after the header."""

DTYPE_FLOAT32: Final = 1

# magic, version, encoding, dtype, ndim, flags, parameter, table_bytes, dims x 4,
# payload_bytes, scale, zero_point, reserved, crc
_HEADER: Final = struct.Struct("<4sBBBBHHI4IQfi12sI")
assert _HEADER.size == HEADER_BYTES


class FrameInfo(NamedTuple):
    """What the header of a frame says.

    Attributes
    ----------
    version : int
        Wire version, 1.
    encoding : str
        Name of the encoding.
    dtype : str
        Element type of the decoded tensor, ``"float32"``.
    shape : tuple of int
        Shape of the decoded tensor, up to four dimensions.
    payload_bytes : int
        Bytes after the header: table and values.
    scale, zero_point : float, int
        ``x = (q - zero_point) * scale`` where one quantiser serves the whole tensor; both zero
        in the other encodings.
    has_crc : bool
        Whether the frame carries a CRC32C of header and payload.
    table_bytes : int
        Bytes of the payload ahead of the values: scales and zero points, or a bitmap.
    parameter : int
        Axis of the channels or number of elements in a group; zero in the other encodings.
    """

    version: int
    encoding: str
    dtype: str
    shape: tuple[int, ...]
    payload_bytes: int
    scale: float
    zero_point: int
    has_crc: bool
    table_bytes: int
    parameter: int

    @property
    def elements(self) -> int:
        """Number of elements of the tensor."""
        return math.prod(self.shape)

    @property
    def frame_bytes(self) -> int:
        """Header and payload together."""
        return HEADER_BYTES + self.payload_bytes


def pack_header(
    target: Buffer,
    encoding: Encoding,
    shape: Sequence[int],
    payload_bytes: int,
    *,
    scale: float = 0.0,
    zero_point: int = 0,
    crc: bool,
) -> None:
    """Write the header of a frame, its checksum still zero."""
    dims = (*shape, *(0,) * (MAX_DIMS - len(shape)))
    _HEADER.pack_into(
        target, 0, MAGIC, VERSION, encoding.code, DTYPE_FLOAT32, len(shape),
        FLAG_CRC if crc else 0, parameter_of(encoding, len(shape)),
        table_bytes_of(encoding, shape), *dims, payload_bytes, scale, zero_point, bytes(12), 0,
    )  # fmt: skip


def unpack_header(frame: memoryview) -> tuple[FrameInfo, int]:
    """Read and check a header; the second value is the checksum it holds.

    The checks run in the order of the fields in the header, except that every length comes
    after what it is computed from. The order is part of the contract: back ends must name the
    same field.
    """
    if len(frame) < HEADER_BYTES:
        raise FrameError(
            "length", f"{len(frame)} bytes are shorter than the header ({HEADER_BYTES})"
        )
    (magic, version, code, dtype, ndim, flags, parameter, table_bytes, d0, d1, d2, d3,
     payload_bytes, scale, zero_point, reserved, crc) = _HEADER.unpack_from(frame)  # fmt: skip
    if magic != MAGIC:
        raise FrameError("magic", "these bytes are not a coinfer frame")
    if version != VERSION:
        raise FrameError("version", f"{version} is unknown (this library reads {VERSION})")
    encoding = BY_CODE.get(code)
    if encoding is None:
        raise FrameError("encoding", f"code {code} is unknown")
    if dtype != DTYPE_FLOAT32:
        raise FrameError("dtype", f"code {dtype} is unknown")
    if ndim > MAX_DIMS:
        raise FrameError("ndim", f"{ndim} is more than {MAX_DIMS}")
    if flags & ~FLAG_CRC:
        raise FrameError("flags", f"unknown bits in {flags:#06x}")
    _check_equal("parameter", parameter, parameter_of(encoding, ndim), encoding)
    dims = (d0, d1, d2, d3)
    shape = dims[:ndim]
    if any(dims[ndim:]):
        raise FrameError("dims", f"dimensions beyond the first {ndim} must be zero")
    try:
        elements = checked_elements(shape)
    except ValueError as error:
        raise FrameError("dims", str(error)) from None
    _check_equal("table_bytes", table_bytes, table_bytes_of(encoding, shape), encoding)
    _check_payload_bytes(encoding, payload_bytes, table_bytes, elements)
    _check_quantiser(encoding, scale, bytes(frame[40:44]), zero_point)
    if any(reserved):
        raise FrameError("reserved", "reserved bytes must be zero")
    has_crc = bool(flags & FLAG_CRC)
    if crc and not has_crc:
        raise FrameError("crc", "a checksum is present but its flag is not set")
    info = FrameInfo(
        version, encoding.name, "float32", shape, payload_bytes, scale, zero_point, has_crc,
        table_bytes, parameter,
    )  # fmt: skip
    return info, crc


def _check_equal(field: str, value: int, wanted: int, encoding: Encoding) -> None:
    if value != wanted:
        raise FrameError(field, f"{value}, but {encoding.name} of this shape needs {wanted}")


def _check_payload_bytes(
    encoding: Encoding, payload_bytes: int, table_bytes: int, elements: int
) -> None:
    most = table_bytes + encoding.value_bytes(elements)
    if not encoding.sparse:
        _check_equal("payload_bytes", payload_bytes, most, encoding)
        return
    if not table_bytes <= payload_bytes <= most:
        raise FrameError(
            "payload_bytes",
            f"{payload_bytes}, but {encoding.name} of this shape needs {table_bytes} to {most}",
        )
    size = encoding.value_bytes(1)
    if (payload_bytes - table_bytes) % size:
        raise FrameError(
            "payload_bytes", f"{payload_bytes} does not end with a whole value of {size} bytes"
        )


def _check_quantiser(encoding: Encoding, scale: float, scale_bytes: bytes, zero_point: int) -> None:
    quantiser = encoding.quantiser
    if quantiser is None or encoding.scope != "tensor":
        if any(scale_bytes):
            raise FrameError("scale", f"must be zero for {encoding.name}")
        if zero_point:
            raise FrameError("zero_point", f"{zero_point} must be zero for {encoding.name}")
        return
    if not MIN_SCALE <= scale <= quantiser.max_scale:  # so that NaN is refused, too
        raise FrameError("scale", f"{scale:g} is not a usable step")
    least, most = quantiser
    if not least <= zero_point <= most:
        raise FrameError("zero_point", f"{zero_point} is outside {least}..{most}")


def as_bytes(buffer: Buffer) -> memoryview:
    """Flat view of any contiguous buffer."""
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError("the frame must lie in one contiguous buffer")
    return view.cast("B") if view.nbytes else memoryview(b"")


def peek(buffer: Buffer) -> FrameInfo:
    """Read the header of a frame without touching its payload.

    The header is checked in itself; neither the length of the buffer, nor the checksum, nor the
    content of table and values is.

    Parameters
    ----------
    buffer : bytes-like
        A frame, or at least its first 64 bytes. Any alignment.

    Returns
    -------
    FrameInfo
        What the header says.

    Raises
    ------
    FrameError
        A field is malformed; ``error.field`` names it.

    Examples
    --------
    >>> import numpy as np
    >>> from coinfer_kernels import encode
    >>> peek(encode(np.ones((2, 3), np.float32), "fp16")).shape
    (2, 3)
    """
    return unpack_header(as_bytes(buffer))[0]
