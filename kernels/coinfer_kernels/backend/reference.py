"""The reference back end: NumPy in float64, written to be read. It defines the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _crc
from .._affine import affine
from .python import PythonBackend

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._affine import Affine
    from .._encodings import Quantiser
    from .._layout import Scopes
    from .._scores import ExitScores

    Bools = npt.NDArray[np.bool_]
    Bytes = npt.NDArray[np.uint8]
    Float32 = npt.NDArray[np.float32]
    Float64 = npt.NDArray[np.float64]
    Int8 = npt.NDArray[np.int8]
    Int32 = npt.NDArray[np.int32]
    Int64 = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint16]


class _Loops:
    name = "reference"
    crc32c = staticmethod(_crc.crc32c)
    affine = staticmethod(affine)

    def narrow(self, x: Float32, out: Words) -> None:
        with np.errstate(over="ignore"):  # from 65520 on the value becomes infinite, as documented
            out.view(np.float16)[:] = x

    def widen(self, halves: Words, out: Float32) -> None:
        out[:] = halves.view(np.float16)

    def narrow_bf16(self, x: Float32, out: Words) -> None:
        bits = x.view(np.uint32)
        last = (bits >> 16) & 1
        nearest = (bits + 0x7FFF + last) >> 16
        quiet = (bits >> 16) | 0x40  # rounding could carry a NaN into another number
        out[:] = np.where(np.isnan(x), quiet, nearest)

    def widen_bf16(self, halves: Words, out: Float32) -> None:
        out.view(np.uint32)[:] = halves.astype(np.uint32) << 16

    def spans(self, x: Float32, scopes: Scopes, low: Float32, high: Float32) -> None:
        blocks = _blocks(x, scopes)
        low[:] = blocks.min(axis=(0, 2), initial=0)
        high[:] = blocks.max(axis=(0, 2), initial=0)
        low[~np.isfinite(blocks).all(axis=(0, 2))] = np.nan

    def quantise(
        self, x: Float32, scopes: Scopes, quantiser: Quantiser, by: Affine, out: Int8
    ) -> None:
        blocks = _blocks(x, scopes)
        steps = np.rint(blocks * by.inverse[:, None]) + by.zero_point.astype(np.float32)[:, None]
        out[:] = np.clip(steps, quantiser.least, quantiser.most).reshape(-1)[: out.size]

    def dequantise(
        self, q: Int8, scopes: Scopes, scale: Float32, zero_point: Int32, out: Float32
    ) -> None:
        steps = _blocks(q, scopes) - zero_point[:, None]
        out[:] = (steps.astype(np.float32) * scale[:, None]).reshape(-1)[: out.size]

    def pack4(self, q: Int8, out: Bytes) -> None:
        even = np.zeros(2 * out.size, np.uint8)
        even[: q.size] = q
        out[:] = even[::2] | even[1::2] << 4

    def unpack4(self, packed: Bytes, q: Int8) -> None:
        q[:] = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[: q.size]

    def compress(self, x: Float32, bitmap: Bytes) -> Float32:
        marked = x.view(np.uint32) != 0  # by the bits: -0.0 is a value
        bitmap[:] = np.packbits(marked, bitorder="little")
        values: Float32 = x[marked]
        return values

    def population(self, bitmap: Bytes) -> int:
        return int(np.unpackbits(bitmap).sum())

    def expand(self, bitmap: Bytes, values: Float32, out: Float32) -> None:
        out[:] = 0
        out[np.unpackbits(bitmap, count=out.size, bitorder="little").astype(np.bool_)] = values

    def scores(
        self, logits: Float32, temperature: float, mask: Bools | None, out: ExitScores
    ) -> None:
        rows = slice(None) if mask is None else mask
        targets: tuple[npt.NDArray[Any], ...] = tuple(out)
        with np.errstate(over="ignore"):  # extreme temperatures: what float32 cannot hold
            for target, score in zip(targets, _scores(logits[rows], temperature), strict=True):
                target[rows] = score

    def change(
        self, previous: Float32, current: Float32, kind: str, mask: Bools | None, out: Float32
    ) -> None:
        rows = slice(None) if mask is None else mask
        p, c = previous[rows].astype(np.float64), current[rows].astype(np.float64)
        with np.errstate(over="ignore"):  # more than float32 holds is infinite
            out[rows] = _change(p, c, kind)

    def agree(self, previous: Int64, current: Int64, mask: Bools | None, counts: Int32) -> None:
        rows = slice(None) if mask is None else mask
        same = (current == previous) & (current != -1)
        onward = np.minimum(counts, np.iinfo(np.int32).max - 1) + 1
        counts[rows] = np.where(same, onward, 0)[rows]


def _blocks(flat: npt.NDArray[Any], scopes: Scopes) -> npt.NDArray[Any]:
    """The tensor with a scope an index of the middle axis.

    A shorter last run is filled with zeros, which every range holds anyway.
    """
    missing = scopes.outer * scopes.number * scopes.inner - flat.size
    return np.pad(flat, (0, missing)).reshape(scopes)


def _scores(logits: Float32, temperature: float) -> tuple[npt.NDArray[Any], ...]:
    """The fields of `ExitScores` in float64."""
    largest = logits.max(axis=1, keepdims=True).astype(np.float64)
    # No softmax for a row with NaN or +Inf, nor for one of -Inf alone.
    valid = np.isfinite(largest[:, 0])
    with np.errstate(invalid="ignore"):
        shifted = np.where(valid[:, None], logits - largest, 0.0) / temperature
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1)
    log_total = np.log(total)
    probabilities = exponentials / total[:, None]
    with np.errstate(invalid="ignore"):
        surprise = probabilities * (log_total[:, None] - shifted)
    second = np.partition(shifted, -2, axis=1)[:, -2] if logits.shape[1] > 1 else -np.inf
    # A -Inf logit has probability zero, and p log p tends to zero there.
    entropy = np.where(probabilities > 0, surprise, 0.0).sum(axis=1)
    # p1 - p2, without the cancellation between nearly equal ones.
    margin = -np.expm1(second) / total
    energy = -(largest[:, 0] + temperature * log_total)
    scores = (np.where(valid, score, np.nan) for score in (1 / total, entropy, margin, energy))
    return (*scores, np.where(valid, logits.argmax(axis=1), -1))


def _change(p: Float64, c: Float64, kind: str) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "relative-l2":
            difference, base = _norm(c - p), _norm(p)
            change = np.where(difference == 0, 0.0, difference / base)
            return np.where(np.isfinite(difference), change, np.nan)
        apart = _norm(_unit(c) - _unit(p))
        if kind == "l2":
            return apart
        # For unit vectors 1 - cos = |c - p|^2 / 2, without the cancellation.
        one_is_zero = (_norm(p) == 0) != (_norm(c) == 0)
        return np.where(one_is_zero, 1.0, apart**2 / 2)


def _norm(rows: Float64) -> Float64:
    norm: Float64 = np.sqrt((rows * rows).sum(axis=1))
    return norm


def _unit(rows: Float64) -> Float64:
    """Rows of length one; a zero row stays zero."""
    norm = _norm(rows)
    return rows / np.where(norm == 0, 1.0, norm)[:, None]


def create() -> PythonBackend:
    """Make the reference back end; it is always available."""
    return PythonBackend(_Loops(), {"numpy": np.__version__})
