"""The reference back end: NumPy in float64, written to be read. It defines the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _crc
from .python import PythonBackend

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._scores import ExitScores

    Float32 = npt.NDArray[np.float32]
    Float64 = npt.NDArray[np.float64]
    Int8 = npt.NDArray[np.int8]
    Words = npt.NDArray[np.uint16]


class _Loops:
    name = "reference"
    crc32c = staticmethod(_crc.crc32c)

    def narrow(self, x: Float32, out: Words) -> None:
        with np.errstate(over="ignore"):  # from 65520 on the value becomes infinite, as documented
            out.view(np.float16)[:] = x

    def widen(self, halves: Words, out: Float32) -> None:
        out[:] = halves.view(np.float16)

    def span(self, x: Float32) -> tuple[float, float]:
        if not np.isfinite(x).all():
            return float("nan"), float("nan")
        return float(x.min(initial=0)), float(x.max(initial=0))

    def quantise(self, x: Float32, inverse: float, zero_point: int, out: Int8) -> None:
        steps = np.rint(x * np.float32(inverse)) + np.float32(zero_point)
        out[:] = np.clip(steps, -128, 127)

    def dequantise(self, q: Int8, scale: float, zero_point: int, out: Float32) -> None:
        out[:] = (q.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)

    def scores(self, logits: Float32, out: ExitScores) -> None:
        largest = logits.max(axis=1, keepdims=True).astype(np.float64)
        # No softmax for a row with NaN or +Inf, nor for one of -Inf alone.
        valid = np.isfinite(largest[:, 0])
        with np.errstate(invalid="ignore"):
            shifted = np.where(valid[:, None], logits - largest, 0.0)
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=1)
        log_total = np.log(total)
        probabilities = exponentials / total[:, None]
        with np.errstate(invalid="ignore"):
            surprise = probabilities * (log_total[:, None] - shifted)
        second = np.partition(shifted, -2, axis=1)[:, -2] if logits.shape[1] > 1 else -np.inf

        out.max_prob[:] = np.where(valid, 1 / total, np.nan)
        # A -Inf logit has probability zero, and p log p tends to zero there.
        out.entropy[:] = np.where(
            valid, np.where(probabilities > 0, surprise, 0.0).sum(axis=1), np.nan
        )
        # p1 - p2, without the cancellation between nearly equal ones.
        out.margin[:] = np.where(valid, -np.expm1(second) / total, np.nan)
        out.energy[:] = np.where(valid, -(largest[:, 0] + log_total), np.nan)
        out.label[:] = np.where(valid, logits.argmax(axis=1), -1)

    def change(self, previous: Float32, current: Float32, kind: str, out: Float32) -> None:
        p, c = previous.astype(np.float64), current.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            if kind == "relative-l2":
                difference, base = _norm(c - p), _norm(p)
                out[:] = np.where(difference == 0, 0.0, difference / base)
                out[~np.isfinite(difference)] = np.nan
            elif kind == "l2":
                out[:] = _norm(_unit(c) - _unit(p))
            else:
                # For unit vectors 1 - cos = |c - p|^2 / 2, without the cancellation.
                half = _norm(_unit(c) - _unit(p)) ** 2 / 2
                one_is_zero = (_norm(p) == 0) != (_norm(c) == 0)
                out[:] = np.where(one_is_zero, 1.0, half)


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
