"""What the peers put on the wire: their header, and the quantiser of the documentation."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from inputs import memory

HEADER = struct.Struct("<4s4I2f36x")
AFFINE = {
    **dict.fromkeys(("int8", "int8-channel", "sparse-int8"), (-128, 127)),
    **dict.fromkeys(("int4", "int4-channel", "int4-group32"), (0, 15)),
}
LEAST_SCALE = np.float32(2.0**-126)


class Message(NamedTuple):
    """Memory for a header and a payload, with a view for each type that somebody needs."""

    frame: np.ndarray

    @classmethod
    def of(cls, payload_bytes: int) -> Message:
        return cls(memory(HEADER.size + payload_bytes))

    def values(self, dtype: type, start: int = 0, count: int = -1) -> np.ndarray:
        return np.frombuffer(self.frame, dtype, count, HEADER.size + start)

    def floats(self) -> np.ndarray:
        """Header as float32, for loops that write scale and zero point themselves."""
        return self.frame[: HEADER.size].view(np.float32)


def scoped(x: np.ndarray, encoding: str) -> np.ndarray:
    """Tensor with one row for each scale: all of it, a channel, or a group of 32."""
    if encoding.endswith("channel"):
        return x.reshape(x.shape[1], -1)
    return x.reshape(-1, 32) if encoding.endswith("group32") else x.reshape(1, -1)


def quantised(x: np.ndarray, encoding: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, scales and zero points, as docs/kernels.md defines them."""
    least, most = AFFINE[encoding]
    rows = scoped(x, encoding)
    low = np.minimum(rows.min(axis=1, keepdims=True), 0)
    high = np.maximum(rows.max(axis=1, keepdims=True), 0)
    scale = np.maximum((high - low) / np.float32(most - least), LEAST_SCALE)
    inverse = np.float32(1) / scale
    zero = least - np.rint(low * inverse)
    codes = np.clip(np.rint(rows * inverse) + zero, least, most)
    return codes.astype(np.int8), scale, zero.astype(np.float32)


def packed(codes: np.ndarray) -> np.ndarray:
    """Two codes a byte, the first in the low nibble."""
    pairs = codes.reshape(-1, 2).view(np.uint8)
    return pairs[:, 0] | pairs[:, 1] << 4
