"""The encodings: their names and codes, and what each one writes for an element.

The C++ side keeps the same table; the conformance suite holds both to the same frames.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

MIN_SCALE: Final = float(np.finfo(np.float32).tiny)
"""Smallest step of a quantiser: its reciprocal is finite, so zeros alone are no special case."""


class Quantiser(NamedTuple):
    """Range of the integers of an affine quantiser."""

    least: int
    most: int

    @property
    def bits(self) -> int:
        """Bits of an integer."""
        return self.steps.bit_length()

    @property
    def steps(self) -> int:
        """Steps between the smallest and the largest value."""
        return self.most - self.least

    @property
    def max_scale(self) -> float:
        """Largest step: all steps make exactly the largest float32, so decoding never overflows."""
        return float(np.finfo(np.float32).max) / self.steps


class Encoding(NamedTuple):
    """One way to write the elements of a tensor.

    Attributes
    ----------
    name, code : str, int
        As users and as headers call it.
    bits : int
        Bits of a value.
    scope : {"tensor", "channel", "group"}, optional
        What shares one scale and zero point; None without a quantiser.
    sparse : bool
        Whether a bitmap tells which elements have a value; the others are zero.
    """

    name: str
    code: int
    bits: int
    scope: Literal["tensor", "channel", "group"] | None = None
    sparse: bool = False

    @property
    def quantiser(self) -> Quantiser | None:
        """Range of the integers, for encodings that quantise."""
        if self.scope is None:
            return None
        return Quantiser(-128, 127) if self.bits == 8 else Quantiser(0, 15)

    def value_bytes(self, count: int) -> int:
        """Bytes of `count` values, the last one filled up."""
        return (count * self.bits + 7) // 8


ENCODINGS: Final = {
    encoding.name: encoding
    for encoding in (
        Encoding("raw", 1, 32),
        Encoding("fp16", 2, 16),
        Encoding("bf16", 4, 16),
        Encoding("int8", 3, 8, "tensor"),
        Encoding("int8-channel", 5, 8, "channel"),
        Encoding("int4", 6, 4, "tensor"),
        Encoding("int4-channel", 7, 4, "channel"),
        Encoding("int4-group32", 8, 4, "group"),
        Encoding("sparse-fp32", 9, 32, sparse=True),
        Encoding("sparse-fp16", 10, 16, sparse=True),
        Encoding("sparse-int8", 11, 8, "tensor", sparse=True),
    )
}
BY_CODE: Final = {encoding.code: encoding for encoding in ENCODINGS.values()}


def encoding_named(name: str) -> Encoding:
    """Look an encoding up, or say which ones there are."""
    try:
        return ENCODINGS[name]
    except (KeyError, TypeError):
        raise ValueError(f"unknown encoding {name!r}; choose from {', '.join(ENCODINGS)}") from None
