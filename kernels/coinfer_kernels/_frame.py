"""The wire format of version 1: the 64-byte header, its rules, and the int8 quantiser's constants.

The C++ side keeps the same rules in ``csrc/core/frame.hpp``; the conformance suite holds both
to the same frames and to the same errors. The byte table is in ``docs/kernels.md``.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from .errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

MAGIC: Final = b"CIKF"
VERSION: Final = 1
HEADER_BYTES: Final = 64
MAX_DIMS: Final = 4
MAX_ELEMENTS: Final = 1 << 28
"""Most elements a frame may announce: 1 GiB of float32, so that no header alone can exhaust us."""

FLAG_CRC: Final = 1
CRC_OFFSET: Final = 60
"""The checksum comes last, so that it covers bytes 0-59 and everything after the header."""

DTYPE_FLOAT32: Final = 1

# magic, version, encoding, dtype, ndim, flags, parameter, table_bytes, dims x 4,
# payload_bytes, scale, zero_point, reserved, crc
_HEADER: Final = struct.Struct("<4sBBBBHHI4IQfi12sI")
assert _HEADER.size == HEADER_BYTES


class Encoding(NamedTuple):
    """One way to write the elements of a tensor."""

    name: str
    code: int
    element_bytes: int


ENCODINGS: Final = {
    encoding.name: encoding
    for encoding in (Encoding("raw", 1, 4), Encoding("fp16", 2, 2), Encoding("int8", 3, 1))
}
_BY_CODE: Final = {encoding.code: encoding for encoding in ENCODINGS.values()}

MIN_SCALE: Final = float(np.finfo(np.float32).tiny)
"""Smallest int8 step: its reciprocal is finite, so an all-zero tensor is no special case."""
MAX_SCALE: Final = float(np.finfo(np.float32).max) / 255
"""Largest int8 step: 255 steps are exactly the largest float32, so decoding never overflows."""


class FrameInfo(NamedTuple):
    """What the header of a frame says.

    Attributes
    ----------
    version : int
        Wire version, 1.
    encoding : str
        One of ``ENCODINGS``.
    dtype : str
        Element type of the decoded tensor, ``"float32"``.
    shape : tuple of int
        Shape of the decoded tensor, up to four dimensions.
    payload_bytes : int
        Bytes after the header.
    scale, zero_point : float, int
        ``x = (q - zero_point) * scale`` for int8; both zero in the other encodings.
    has_crc : bool
        Whether the frame carries a CRC32C of header and payload.
    """

    version: int
    encoding: str
    dtype: str
    shape: tuple[int, ...]
    payload_bytes: int
    scale: float
    zero_point: int
    has_crc: bool

    @property
    def elements(self) -> int:
        """Number of elements of the tensor."""
        return math.prod(self.shape)

    @property
    def frame_bytes(self) -> int:
        """Header and payload together."""
        return HEADER_BYTES + self.payload_bytes


def encoding_named(name: str) -> Encoding:
    """Look an encoding up, or say which ones there are."""
    try:
        return ENCODINGS[name]
    except (KeyError, TypeError):
        raise ValueError(f"unknown encoding {name!r}; choose from {', '.join(ENCODINGS)}") from None


def checked_elements(shape: Sequence[int]) -> int:
    """Elements of `shape`, refused when it cannot be put into a header.

    A zero counts as one in the limit: NumPy, too, refuses ``(0, 2**32, 2**32)``.
    """
    if len(shape) > MAX_DIMS:
        raise ValueError(f"a frame holds at most {MAX_DIMS} dimensions, not {len(shape)}")
    if any(dim < 0 for dim in shape):
        raise ValueError(f"shape {tuple(shape)} has a negative dimension")
    if math.prod(max(dim, 1) for dim in shape) > MAX_ELEMENTS:
        raise ValueError(f"shape {tuple(shape)} has more than {MAX_ELEMENTS} elements")
    return math.prod(shape)


def encoded_size(shape: Sequence[int], encoding: str) -> int:
    """Bytes of a whole frame, header included.

    Parameters
    ----------
    shape : sequence of int
        Shape of the tensor, up to four dimensions.
    encoding : str
        ``"raw"``, ``"fp16"`` or ``"int8"``.

    Returns
    -------
    int
        What `encode` will write for a tensor of this shape.

    Raises
    ------
    ValueError
        The encoding is unknown, or the shape does not fit into a frame.

    Examples
    --------
    >>> encoded_size((32, 64), "int8")
    2112
    """
    return HEADER_BYTES + encoding_named(encoding).element_bytes * checked_elements(shape)


def affine_int8(low: float, high: float) -> tuple[float, float, int]:
    """Scale, its reciprocal and the zero point of the int8 quantiser, for a range holding zero.

    All steps are single float32 operations, so that every back end gets the same bits.

    Raises
    ------
    ValueError
        `low` is not finite, or ``high - low`` is more than float32 can hold.
    """
    if not math.isfinite(low):
        raise ValueError("int8 cannot encode x: it has a NaN or infinite element")
    with np.errstate(over="ignore"):
        span = np.float32(high) - np.float32(low)
    if not np.isfinite(span):
        raise ValueError(f"int8 cannot span {low:g} to {high:g}: the range overflows float32")
    scale = max(span / np.float32(255), np.float32(MIN_SCALE))
    inverse = np.float32(1) / scale
    zero_point = -128 - int(np.rint(np.float32(low) * inverse))
    return float(scale), float(inverse), min(max(zero_point, -128), 127)


def pack_header(
    target: Buffer,
    encoding: Encoding,
    shape: Sequence[int],
    *,
    scale: float = 0.0,
    zero_point: int = 0,
    crc: bool,
) -> None:
    """Write the header of a frame, its checksum still zero."""
    dims = (*shape, *(0,) * (MAX_DIMS - len(shape)))
    payload_bytes = encoding.element_bytes * math.prod(shape)
    flags = FLAG_CRC if crc else 0
    _HEADER.pack_into(
        target, 0, MAGIC, VERSION, encoding.code, DTYPE_FLOAT32, len(shape), flags, 0, 0,
        *dims, payload_bytes, scale, zero_point, bytes(12), 0,
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
    encoding = _BY_CODE.get(code)
    if encoding is None:
        raise FrameError("encoding", f"code {code} is unknown")
    if dtype != DTYPE_FLOAT32:
        raise FrameError("dtype", f"code {dtype} is unknown")
    if ndim > MAX_DIMS:
        raise FrameError("ndim", f"{ndim} is more than {MAX_DIMS}")
    if flags & ~FLAG_CRC:
        raise FrameError("flags", f"unknown bits in {flags:#06x}")
    if parameter:
        raise FrameError("parameter", f"{parameter} must be zero for {encoding.name}")
    if table_bytes:
        raise FrameError("table_bytes", f"{table_bytes} must be zero for {encoding.name}")
    dims = (d0, d1, d2, d3)
    shape = dims[:ndim]
    if any(dims[ndim:]):
        raise FrameError("dims", f"dimensions beyond the first {ndim} must be zero")
    try:
        elements = checked_elements(shape)
    except ValueError as error:
        raise FrameError("dims", str(error)) from None
    expected = encoding.element_bytes * elements
    if payload_bytes != expected:
        raise FrameError(
            "payload_bytes", f"{payload_bytes}, but shape and encoding need {expected}"
        )
    if encoding.name == "int8":
        if not MIN_SCALE <= scale <= MAX_SCALE:
            raise FrameError("scale", f"{scale:g} is not a usable step")
        if not -128 <= zero_point <= 127:
            raise FrameError("zero_point", f"{zero_point} is outside -128..127")
    else:
        if any(frame[40:44]):
            raise FrameError("scale", f"must be zero for {encoding.name}")
        if zero_point:
            raise FrameError("zero_point", f"{zero_point} must be zero for {encoding.name}")
    if any(reserved):
        raise FrameError("reserved", "reserved bytes must be zero")
    has_crc = bool(flags & FLAG_CRC)
    if crc and not has_crc:
        raise FrameError("crc", "a checksum is present but its flag is not set")
    info = FrameInfo(
        version, encoding.name, "float32", shape, payload_bytes, scale, zero_point, has_crc
    )
    return info, crc


def as_bytes(buffer: Buffer) -> memoryview:
    """Flat view of any contiguous buffer."""
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError("the frame must lie in one contiguous buffer")
    return view.cast("B") if view.nbytes else memoryview(b"")


def peek(buffer: Buffer) -> FrameInfo:
    """Read the header of a frame without touching its payload.

    The header is checked in itself; neither the length of the buffer nor the checksum is.

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
