"""The loops that a back end written in Python must bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .._affine import Affine
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


class Loops(Protocol):
    """Arrays are checked and contiguous, and flat unless they hold rows.

    Those of bytes and words may be unaligned, because frames may be.
    """

    name: str

    def crc32c(self, data: Bytes, crc: int) -> int:
        """CRC32C of `data`, continuing from `crc`."""

    def narrow(self, x: Float32, out: Words) -> None:
        """Bits of `x` as float16, to nearest even."""

    def widen(self, halves: Words, out: Float32) -> None:
        """Bits of float16 as float32."""

    def narrow_bf16(self, x: Float32, out: Words) -> None:
        """Upper halves of the bits of `x`, to nearest even; NaN becomes quiet."""

    def widen_bf16(self, halves: Words, out: Float32) -> None:
        """Bits of bfloat16 as float32."""

    def spans(self, x: Float32, scopes: Scopes, low: Float32, high: Float32) -> None:
        """Smallest and largest of each scope and zero; `low` is NaN where one is not finite."""

    def affine(self, encoding: str, quantiser: Quantiser, low: Float32, high: Float32) -> Affine:
        """Constants for these ranges; see `affine` in ``_affine.py``."""

    def quantise(
        self, x: Float32, scopes: Scopes, quantiser: Quantiser, by: Affine, out: Int8
    ) -> None:
        """``clip(rint(x * inverse) + zero_point)`` in float32."""

    def dequantise(
        self, q: Int8, scopes: Scopes, scale: Float32, zero_point: Int32, out: Float32
    ) -> None:
        """``(q - zero_point) * scale`` in float32."""

    def pack4(self, q: Int8, out: Bytes) -> None:
        """Put pairs of 4-bit integers into bytes, the first one low."""

    def unpack4(self, packed: Bytes, q: Int8) -> None:
        """Undo `pack4`."""

    def compress(self, x: Float32, bitmap: Bytes) -> Float32:
        """Mark the elements that have a bit set, and return them."""

    def population(self, bitmap: Bytes) -> int:
        """Count the bits that are set."""

    def expand(self, bitmap: Bytes, values: Float32, out: Float32) -> None:
        """Put the values where the bitmap has a bit, and zero elsewhere."""

    def scores(
        self, logits: Float32, temperature: float, mask: Bools | None, out: ExitScores
    ) -> None:
        """Fill `out` row by row, without touching rows that are masked out."""

    def change(
        self, previous: Float32, current: Float32, kind: str, mask: Bools | None, out: Float32
    ) -> None:
        """Feature change row by row, without touching rows that are masked out."""

    def agree(self, previous: Int64, current: Int64, mask: Bools | None, counts: Int32) -> None:
        """Count on where the labels are equal and not -1, else from zero; see `Backend`."""
