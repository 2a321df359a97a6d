"""The Numba back end: plain loops, compiled when first called and cached on disk.

The exponential is a polynomial on the bits of the number: the call to libm would keep LLVM from
vectorising the loop. The loops that add up allow reassociation, no more: "fastmath" as a whole
would let LLVM drop the NaN rule.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _crc
from .._scores import CHANGES
from ..errors import BackendError
from .python import PythonBackend

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._scores import ExitScores

    Float32 = npt.NDArray[np.float32]
    Int8 = npt.NDArray[np.int8]
    Words = npt.NDArray[np.uint16]
    Bytes = npt.NDArray[np.uint8]

try:
    import numba
except ImportError as error:
    raise BackendError(f"numba cannot be imported: {error}") from error

_ADD = {"reassoc", "contract"}
_CRC_PLACES = 16
_INFINITY = np.int32(0x7F800000)  # the bits of float32 infinity; those of NaN are above
_LOWEST = np.int32(-0x7F800001)  # _ordered() of the bits of minus infinity
_MAGNITUDE = np.int32(0x7FFFFFFF)
_LOG2E = np.float32(np.log2(np.e))
_LN2_HIGH = np.float32(0.693359375)  # few bits, so that its products with exponents are exact
_LN2_LOW = np.float32(np.log(2) - 0.693359375)
_LEAST = np.float32(-87.0)  # exp of it is still a normal float32; nothing that counts is below
_L2, _RELATIVE = CHANGES.index("l2"), CHANGES.index("relative-l2")
_HALF = np.float32(0.5)
# Taylor coefficients do: on |r| <= ln(2)/2 the rest after r**7 is below 1e-8.
_C = tuple(np.float32(1 / math.factorial(n)) for n in range(8))


@numba.njit(cache=True)
def _crc32c(data: Any, state: int, tables: Any) -> Any:
    """Sixteen bytes a step: one table for each place."""
    whole = len(data) // _CRC_PLACES * _CRC_PLACES
    crc = np.uint32(state)
    for start in range(0, whole, _CRC_PLACES):
        step = np.uint32(0)
        for place in range(4):
            low = np.uint8(crc >> np.uint32(8 * place))
            step ^= tables[place, data[start + place] ^ low]
        for place in range(4, _CRC_PLACES):
            step ^= tables[place, data[start + place]]
        crc = step
    for i in range(whole, len(data)):
        crc = tables[_CRC_PLACES - 1, np.uint8(crc) ^ data[i]] ^ (crc >> np.uint32(8))
    return crc


@numba.njit(cache=True, inline="always")
def _ordered(bits: Any) -> Any:
    """Map the bits of a float to an integer of the same order, whose maximum LLVM vectorises."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & _MAGNITUDE))  # else Numba widens to int64


@numba.njit(cache=True)
def _span(bits: Any) -> tuple[Any, Any, Any]:
    """Bits of the least and largest of x and zero, and of the largest magnitude."""
    low = high = magnitude = np.int32(0)
    for i in range(len(bits)):
        value = _ordered(bits[i])
        low = min(low, value)
        high = max(high, value)
        magnitude = max(magnitude, np.int32(bits[i] & _MAGNITUDE))
    return _ordered(low), high, magnitude


@numba.njit(cache=True)
def _narrow(bits: Any, out: Any) -> None:
    """float16 by integer arithmetic, a byte at a time: the frame need not be aligned."""
    for i in range(len(bits)):
        magnitude = np.uint32(bits[i] & np.uint32(0x7FFFFFFF))
        # Rebias the exponent; 0xFFF and the last bit that is kept round half to even.
        last = np.uint32((magnitude >> np.uint32(13)) & np.uint32(1))
        half = np.uint32((magnitude - np.uint32(0x37FFF001) + last) >> np.uint32(13))
        # A step of 0.5 is the smallest subnormal: the addition rounds.
        small = np.float32(magnitude.view(np.float32) + _HALF).view(np.uint32)
        half = small - np.uint32(0x3F000000) if magnitude < np.uint32(0x38800000) else half
        half = np.uint32(0x7C00) if magnitude >= np.uint32(0x47800000) else half
        half = np.uint32(0x7E00) if magnitude > np.uint32(0x7F800000) else half
        half = np.uint32(half | ((bits[i] >> np.uint32(16)) & np.uint32(0x8000)))
        out[2 * i] = np.uint8(half & np.uint32(0xFF))
        out[2 * i + 1] = np.uint8(half >> np.uint32(8))


@numba.njit(cache=True)
def _widen(data: Any, out: Any) -> None:
    for i in range(len(out)):
        half = np.int32(data[2 * i]) | np.int32(data[2 * i + 1]) << np.int32(8)
        magnitude = np.int32(half & np.int32(0x7FFF))
        shifted = np.int32(magnitude << np.int32(13))
        value = np.int32(shifted + np.int32(112 << 23)).view(np.float32)
        # Infinity and NaN keep the top exponent; a subnormal is a number of smallest steps.
        top = np.int32(shifted + np.int32(224 << 23)).view(np.float32)
        value = top if magnitude >= np.int32(0x7C00) else value
        tiny = np.float32(magnitude) * np.float32(2.0**-24)
        value = tiny if magnitude < np.int32(0x400) else value
        out[i] = -value if half >= np.int32(0x8000) else value


@numba.njit(cache=True)
def _quantise(x: Any, inverse: Any, zero_point: int, out: Any) -> None:
    offset = np.float32(zero_point)
    for i in range(len(x)):
        step = np.rint(x[i] * inverse) + offset
        out[i] = np.int8(np.int32(min(max(step, np.float32(-128)), np.float32(127))))


@numba.njit(cache=True)
def _dequantise(q: Any, scale: Any, zero_point: int, out: Any) -> None:
    for i in range(len(q)):
        out[i] = np.float32(np.int32(q[i]) - np.int32(zero_point)) * scale


@numba.njit(cache=True, inline="always")
def _exp(x: Any) -> Any:
    """Exponential of x in [-87, 0]."""
    power = np.floor(x * _LOG2E + _HALF)
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    y = _C[7]
    for n in range(6, -1, -1):
        y = y * r + _C[n]
    return y * np.int32((np.int32(power) + np.int32(127)) << np.int32(23)).view(np.float32)


@numba.njit(cache=True, fastmath=_ADD)
def _scores(x: Any, bits: Any, scores: Any) -> None:
    max_prob, entropy, margin, energy, label = scores
    rows, classes = x.shape
    for row in range(rows):
        most = second = _LOWEST
        magnitude = np.int32(0)
        for k in range(classes):
            most = max(most, _ordered(bits[row, k]))
            magnitude = max(magnitude, np.int32(bits[row, k] & _MAGNITUDE))
        if magnitude > _INFINITY or most in (_INFINITY, _LOWEST):
            max_prob[row] = entropy[row] = margin[row] = energy[row] = np.nan
            label[row] = -1
            continue
        largest = _ordered(most).view(np.float32)
        first = 0
        while x[row, first] != largest:
            first += 1
        total = np.float32(0)
        weighted = np.float32(0)
        for k in range(classes):
            shifted = max(x[row, k] - largest, _LEAST)
            exponential = _exp(shifted)
            total += exponential
            weighted += exponential * shifted
        for k in range(classes):
            if k != first:
                second = max(second, _ordered(bits[row, k]))
        log_total = math.log(total)
        max_prob[row] = 1 / total
        entropy[row] = log_total - weighted / total
        margin[row] = -math.expm1(_ordered(second).view(np.float32) - largest) / total
        energy[row] = -(largest + log_total)
        label[row] = first


@numba.njit(cache=True, fastmath=_ADD)
def _change(p: Any, c: Any, kind: int, out: Any) -> None:
    """One pass: products of float32 are exact in float64, so their sums may be subtracted."""
    for row in range(len(p)):
        pp = cc = pc = 0.0
        for k in range(p.shape[1]):
            before, after = np.float64(p[row, k]), np.float64(c[row, k])
            pp += before * before
            cc += after * after
            pc += before * after
        if not pp + cc < np.inf:  # a NaN or an infinity among the elements
            out[row] = np.nan
        elif pp == 0.0 and cc == 0.0:
            out[row] = 0.0
        elif kind == _RELATIVE:
            out[row] = np.inf if pp == 0.0 else math.sqrt(max((pp + cc) - 2 * pc, 0.0) / pp)
        else:
            cosine = 0.5 if kind == _L2 else 0.0
            if pp > 0.0 and cc > 0.0:
                cosine = pc / math.sqrt(pp * cc)
            out[row] = math.sqrt(max(2 - 2 * cosine, 0.0)) if kind == _L2 else 1 - cosine


class _Loops:
    name = "numba"

    def __init__(self) -> None:
        self._tables = _crc.place_tables(_CRC_PLACES)

    def crc32c(self, data: Bytes, crc: int) -> int:
        return int(_crc32c(data, crc ^ 0xFFFFFFFF, self._tables)) ^ 0xFFFFFFFF

    def narrow(self, x: Float32, out: Words) -> None:
        _narrow(x.view(np.uint32), out.view(np.uint8))

    def widen(self, halves: Words, out: Float32) -> None:
        _widen(halves.view(np.uint8), out)

    def span(self, x: Float32) -> tuple[float, float]:
        low, high, magnitude = _span(x.view(np.int32))
        if magnitude >= _INFINITY:
            return math.nan, math.nan
        return float(np.int32(low).view(np.float32)), float(np.int32(high).view(np.float32))

    def quantise(self, x: Float32, inverse: float, zero_point: int, out: Int8) -> None:
        _quantise(x, np.float32(inverse), zero_point, out)

    def dequantise(self, q: Int8, scale: float, zero_point: int, out: Float32) -> None:
        _dequantise(q, np.float32(scale), zero_point, out)

    def scores(self, logits: Float32, out: ExitScores) -> None:
        _scores(logits, logits.view(np.int32), tuple(out))

    def change(self, previous: Float32, current: Float32, kind: str, out: Float32) -> None:
        _change(previous, current, CHANGES.index(kind), out)


def create() -> PythonBackend:
    """Make the Numba back end."""
    return PythonBackend(_Loops(), {"numba": numba.__version__})
