"""Exit confidence, feature change and patience for the Numba back end.

The exponential is a polynomial on the bits of the number: the call to libm would keep LLVM from
vectorising the loop. The loops that add up allow reassociation, no more: "fastmath" as a whole
would let LLVM drop the NaN rule.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from .._scores import CHANGES
from .numba_bits import INFINITY, LOWEST, MAGNITUDE, ordered

_ADD = {"reassoc", "contract"}
_LOG2E = np.float32(np.log2(np.e))
_LN2_HIGH = np.float32(0.693359375)  # few bits, so that its products with exponents are exact
_LN2_LOW = np.float32(np.log(2) - 0.693359375)
_LEAST = np.float32(-87.0)  # exp of it is still a normal float32; nothing that counts is below
_L2, _RELATIVE = CHANGES.index("l2"), CHANGES.index("relative-l2")
_HALF = np.float32(0.5)
_TINY, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_MOST = np.int32(np.iinfo(np.int32).max)
# Taylor coefficients do: on |r| <= ln(2)/2 the rest after r**7 is below 1e-8.
_C = tuple(np.float32(1 / math.factorial(n)) for n in range(8))


@numba.njit(inline="always", cache=True, nogil=True)
def _exp(x: Any) -> Any:
    """Exponential of x in [-87, 0]."""
    power = np.floor(x * _LOG2E + _HALF)
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    y = _C[7]
    for n in range(6, -1, -1):
        y = y * r + _C[n]
    return y * np.int32((np.int32(power) + np.int32(127)) << np.int32(23)).view(np.float32)


@numba.njit(fastmath=_ADD, cache=True, nogil=True)
def scores(x: Any, bits: Any, temperature: Any, mask: Any, out: Any) -> None:
    """Scores of each row; an empty mask means all of them."""
    max_prob, entropy, margin, energy, label = out
    rows, classes = x.shape
    # Within float32, so that no product with zero or infinity becomes NaN.
    inverse = np.float32(min(max(1 / temperature, _TINY), _LARGEST))
    for row in range(rows):
        if len(mask) and not mask[row]:
            continue
        most = second = LOWEST
        magnitude = np.int32(0)
        for k in range(classes):
            most = max(most, ordered(bits[row, k]))
            magnitude = max(magnitude, np.int32(bits[row, k] & MAGNITUDE))
        if magnitude > INFINITY or most in (INFINITY, LOWEST):
            max_prob[row] = entropy[row] = margin[row] = energy[row] = np.nan
            label[row] = -1
            continue
        largest = ordered(most).view(np.float32)
        first = 0
        while x[row, first] != largest:
            first += 1
        total = np.float32(0)
        weighted = np.float32(0)
        for k in range(classes):
            shifted = max((x[row, k] - largest) * inverse, _LEAST)
            exponential = _exp(shifted)
            total += exponential
            weighted += exponential * shifted
        for k in range(classes):
            if k != first:
                second = max(second, ordered(bits[row, k]))
        log_total = math.log(total)
        max_prob[row] = 1 / total
        entropy[row] = log_total - weighted / total
        behind = (ordered(second).view(np.float32) - largest) * inverse
        margin[row] = -math.expm1(behind) / total
        energy[row] = -(np.float64(largest) + temperature * log_total)
        label[row] = first


@numba.njit(fastmath=_ADD, cache=True, nogil=True)
def change(p: Any, c: Any, kind: int, mask: Any, out: Any) -> None:
    """One pass: products of float32 are exact in float64, so their sums may be subtracted."""
    for row in range(len(p)):
        if len(mask) and not mask[row]:
            continue
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


@numba.njit(cache=True, nogil=True)
def agree(previous: Any, current: Any, mask: Any, counts: Any) -> None:
    """Count on or start anew; see `Loops.agree`."""
    for row in range(len(counts)):
        if len(mask) and not mask[row]:
            continue
        if current[row] != previous[row] or current[row] == -1:
            counts[row] = 0
        elif counts[row] < _MOST:
            counts[row] += 1
