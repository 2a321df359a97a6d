"""Strong loops for Numba over logits: a polynomial on the bits instead of a call to libm.

With few classes the lanes of the vector unit are rows, else they are classes of one row. NaN and
infinity are not looked at, which makes these loops simpler than what the library promises.
"""

from __future__ import annotations

import math

import numpy as np
from bursts import Call
from numba import njit

f32, i32 = np.float32, np.int32
_LANES = 128
_FEW = 32
_LOG2E, _LN2_HIGH = f32(np.log2(np.e)), f32(0.693359375)
_LN2_LOW = f32(np.log(2) - 0.693359375)
_LEAST, _HALF, _LOWEST = f32(-87), f32(0.5), f32(-3e38)
_C = tuple(f32(1 / math.factorial(n)) for n in range(7))


def call(z: np.ndarray, out: np.ndarray, labels: np.ndarray) -> Call:
    """Choose the loop that suits the number of classes."""
    if z.shape[1] <= _FEW and len(z) % _LANES == 0:
        lanes, sums = np.empty((z.shape[1], _LANES), np.float32), np.empty((4, _LANES), np.float32)
        return Call(by_lanes, (z, lanes, sums, np.empty(_LANES, np.int32), out, labels))
    raised = np.empty(z.shape[1], np.float32)
    bits = (z, z.view(np.int32), raised, raised.view(np.int32))
    return Call(by_rows, (*bits, out, labels))


@njit(fastmath=True, cache=True, inline="always")
def _exp(x):
    x = max(x, _LEAST)
    whole = i32(x * _LOG2E - _HALF)  # x <= 0: cutting off rounds to nearest
    power = f32(whole)
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    y = _C[6]
    y = y * r + _C[5]
    y = y * r + _C[4]
    y = y * r + _C[3]
    y = y * r + _C[2]
    y = y * r + _C[1]
    y = y * r + _C[0]
    return y * i32((whole + i32(127)) << i32(23)).view(f32)


@njit(fastmath=True, cache=True, inline="always")
def _ordered(bits):
    """Integers in the order of the floats: LLVM vectorises their maximum, not that of floats."""
    return i32(bits ^ ((bits >> i32(31)) & i32(0x7FFFFFFF)))


@njit(fastmath=True, cache=True, inline="always")
def _largest(bits):
    most = i32(-0x7F800001)
    for k in range(len(bits)):
        most = max(most, _ordered(bits[k]))
    return _ordered(most).view(f32)


@njit(fastmath=True, cache=True)
def by_rows(z, bits, raised, raised_bits, out, labels):
    rows, classes = z.shape
    for row in range(rows):
        most = _largest(bits[row])
        total = weighted = f32(0)
        for k in range(classes):
            shifted = z[row, k] - most
            e = _exp(shifted)
            raised[k] = e
            total += e
            weighted += e * shifted
        label = 0
        while z[row, label] != most:
            label += 1
        raised[label] = f32(0)
        second = i32(0)  # the bits of what is not negative are in order as they are
        for k in range(classes):
            second = max(second, raised_bits[k])
        log_total, inverse = np.log(total), f32(1) / total
        out[0, row] = inverse
        out[1, row] = log_total - weighted * inverse
        out[2, row] = (f32(1) - _ordered(second).view(f32)) * inverse
        out[3, row] = -(most + log_total)
        labels[row] = label


@njit(fastmath=True, cache=True)
def _two_largest(values, most, second):
    for lane in range(_LANES):
        second[lane] = max(second[lane], min(values[lane], most[lane]))
        most[lane] = max(most[lane], values[lane])


@njit(fastmath=True, cache=True)
def _place(values, most, k, label):
    for lane in range(_LANES):
        label[lane] = i32(k) if values[lane] == most[lane] else label[lane]


@njit(fastmath=True, cache=True)
def _add_up(values, most, total, weighted):
    for lane in range(_LANES):
        shifted = values[lane] - most[lane]
        e = _exp(shifted)
        total[lane] += e
        weighted[lane] += e * shifted


@njit(fastmath=True, cache=True)
def by_lanes(z, lanes, sums, label, out, labels):
    """Transpose so many rows that a loop over them is worth it; their number is a multiple."""
    rows, classes = z.shape
    most, second, total, weighted = sums[0], sums[1], sums[2], sums[3]
    for start in range(0, rows, _LANES):
        for lane in range(_LANES):
            for k in range(classes):
                lanes[k, lane] = z[start + lane, k]
        sums[:2] = _LOWEST
        sums[2:] = f32(0)
        for k in range(classes):
            _two_largest(lanes[k], most, second)
        for k in range(classes - 1, -1, -1):
            _place(lanes[k], most, k, label)
        for k in range(classes):
            _add_up(lanes[k], most, total, weighted)
        for lane in range(_LANES):
            log_total, inverse = np.log(total[lane]), f32(1) / total[lane]
            out[0, start + lane] = inverse
            out[1, start + lane] = log_total - weighted[lane] * inverse
            out[2, start + lane] = (f32(1) - _exp(second[lane] - most[lane])) * inverse
            out[3, start + lane] = -(most[lane] + log_total)
            labels[start + lane] = label[lane]


@njit(fastmath=True, cache=True)
def by_rows_plain(z, out, labels):
    """Bit-cast polynomial and fastmath, and no more: what one writes first."""
    rows, classes = z.shape
    for row in range(rows):
        most = second = _LOWEST
        label = 0
        for k in range(classes):
            value = z[row, k]
            if value > most:
                second, most, label = most, value, k
            else:
                second = max(second, value)
        total = weighted = f32(0)
        for k in range(classes):
            shifted = z[row, k] - most
            e = _exp(shifted)
            total += e
            weighted += e * shifted
        log_total, inverse = np.log(total), f32(1) / total
        out[0, row] = inverse
        out[1, row] = log_total - weighted * inverse
        out[2, row] = (f32(1) - _exp(second - most)) * inverse
        out[3, row] = -(most + log_total)
        labels[row] = label


@njit(fastmath=True, cache=True)
def decide(z, bits, most_total, out):
    rows, classes = z.shape
    for row in range(rows):
        most = _largest(bits[row])
        total = f32(0)
        for k in range(classes):
            total += _exp(z[row, k] - most)
        out[row] = total <= most_total
