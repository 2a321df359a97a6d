"""The Numba back end: plain loops, compiled when first called and cached on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _crc
from .._affine import Affine, affine
from .._scores import CHANGES
from . import numba_codec, numba_confidence, numba_half
from .numba_bits import VERSION
from .python import PythonBackend

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._encodings import Quantiser
    from .._layout import Scopes
    from .._scores import ExitScores

    Bools = npt.NDArray[np.bool_]
    Bytes = npt.NDArray[np.uint8]
    Float32 = npt.NDArray[np.float32]
    Int8 = npt.NDArray[np.int8]
    Int32 = npt.NDArray[np.int32]
    Int64 = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint16]

_EVERY_ROW = np.empty(0, np.bool_)


class _Loops:
    name = "numba"

    def __init__(self) -> None:
        self._tables = _crc.place_tables(numba_codec.CRC_PLACES)

    def crc32c(self, data: Bytes, crc: int) -> int:
        return int(numba_codec.crc32c(data, crc ^ 0xFFFFFFFF, self._tables)) ^ 0xFFFFFFFF

    def narrow(self, x: Float32, out: Words) -> None:
        numba_half.narrow(x.view(np.uint32), out.view(np.uint8))

    def widen(self, halves: Words, out: Float32) -> None:
        numba_half.widen(halves.view(np.uint8), out)

    def narrow_bf16(self, x: Float32, out: Words) -> None:
        numba_half.narrow_bf16(x.view(np.uint32), out.view(np.uint8))

    def widen_bf16(self, halves: Words, out: Float32) -> None:
        numba_half.widen_bf16(halves.view(np.uint8), out.view(np.uint32))

    def spans(self, x: Float32, scopes: Scopes, low: Float32, high: Float32) -> None:
        numba_codec.spans(x.view(np.int32), *scopes, low.view(np.int32), high.view(np.int32))

    def affine(self, encoding: str, quantiser: Quantiser, low: Float32, high: Float32) -> Affine:
        scale, inverse = np.empty((2, low.size), np.float32)
        by = Affine(scale, inverse, np.empty(low.size, np.int32))
        steps = np.float32(quantiser.steps)
        if not numba_codec.affine(low, high, steps, np.float32(quantiser.least), *by):
            return affine(encoding, quantiser, low, high)  # which says what is wrong
        return by

    def quantise(
        self, x: Float32, scopes: Scopes, quantiser: Quantiser, by: Affine, out: Int8
    ) -> None:
        least, most = map(np.float32, quantiser)
        numba_codec.quantise(x, *scopes, by.inverse, by.zero_point, least, most, out)

    def dequantise(
        self, q: Int8, scopes: Scopes, scale: Float32, zero_point: Int32, out: Float32
    ) -> None:
        numba_codec.dequantise(q, *scopes, scale, zero_point, out)

    def pack4(self, q: Int8, out: Bytes) -> None:
        pairs = q[: q.size // 2 * 2].view(np.uint16)
        numba_codec.pack4(pairs, out)
        out[pairs.size :] = q[2 * pairs.size :]

    def unpack4(self, packed: Bytes, q: Int8) -> None:
        pairs = q[: q.size // 2 * 2].view(np.uint16)
        numba_codec.unpack4(packed, pairs)
        q[2 * pairs.size :] = packed[pairs.size :]

    def compress(self, x: Float32, bitmap: Bytes) -> Float32:
        values = np.empty(x.size + 1, np.float32)
        count = numba_codec.compress(x.view(np.int32), bitmap, values.view(np.int32))
        return values[:count]

    def population(self, bitmap: Bytes) -> int:
        words = np.zeros((bitmap.size + 7) // 8, np.uint64)  # aligned, as the bitmap may not be
        words.view(np.uint8)[: bitmap.size] = bitmap
        return int(numba_codec.population(words))

    def expand(self, bitmap: Bytes, values: Float32, out: Float32) -> None:
        numba_codec.expand(bitmap, values.view(np.int32), out.view(np.int32))

    def scores(
        self, logits: Float32, temperature: float, mask: Bools | None, out: ExitScores
    ) -> None:
        present = _EVERY_ROW if mask is None else mask
        numba_confidence.scores(logits, logits.view(np.int32), temperature, present, tuple(out))

    def change(
        self, previous: Float32, current: Float32, kind: str, mask: Bools | None, out: Float32
    ) -> None:
        present = _EVERY_ROW if mask is None else mask
        numba_confidence.change(previous, current, CHANGES.index(kind), present, out)

    def agree(self, previous: Int64, current: Int64, mask: Bools | None, counts: Int32) -> None:
        present = _EVERY_ROW if mask is None else mask
        numba_confidence.agree(previous, current, present, counts)


def create() -> PythonBackend:
    """Make the Numba back end."""
    return PythonBackend(_Loops(), {"numba": VERSION})
