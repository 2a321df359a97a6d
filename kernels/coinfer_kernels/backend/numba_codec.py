"""Quantisers, bitmaps and checksums for the Numba back end.

No fused multiply-add here: every back end must write the same bytes.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .numba_bits import INFINITY, MAGNITUDE, ordered

CRC_PLACES = 16
_NAN = np.int32(0x7FC00000)
_TINY, _LARGEST = np.finfo(np.float32).tiny, np.finfo(np.float32).max


@numba.njit(cache=True, nogil=True)
def crc32c(data: Any, state: int, tables: Any) -> Any:
    """Sixteen bytes a step: one table for each place."""
    whole = len(data) // CRC_PLACES * CRC_PLACES
    crc = np.uint32(state)
    for start in range(0, whole, CRC_PLACES):
        step = np.uint32(0)
        for place in range(4):
            low = np.uint8(crc >> np.uint32(8 * place))
            step ^= tables[place, data[start + place] ^ low]
        for place in range(4, CRC_PLACES):
            step ^= tables[place, data[start + place]]
        crc = step
    for i in range(whole, len(data)):
        crc = tables[CRC_PLACES - 1, np.uint8(crc) ^ data[i]] ^ (crc >> np.uint32(8))
    return crc


@numba.njit(cache=True, nogil=True)
def spans(bits: Any, outer: int, count: int, inner: int, low: Any, high: Any) -> None:
    """Bits of the least and largest of each scope and zero; of NaN where one is not finite."""
    magnitudes = np.zeros(count, np.int32)
    low[:] = high[:] = 0
    if inner == 1:
        for start in range(0, len(bits), max(count, 1)):
            row = bits[start : start + count]
            for c in range(len(row)):
                low[c] = min(low[c], ordered(row[c]))
                high[c] = max(high[c], ordered(row[c]))
                magnitudes[c] = max(magnitudes[c], np.int32(row[c] & MAGNITUDE))
    else:
        for run in range(outer * count if len(bits) else 0):
            part = bits[run * inner : (run + 1) * inner]
            least = most = magnitude = np.int32(0)
            for i in range(len(part)):
                least = min(least, ordered(part[i]))
                most = max(most, ordered(part[i]))
                magnitude = max(magnitude, np.int32(part[i] & MAGNITUDE))
            c = run % count
            low[c] = min(low[c], least)
            high[c] = max(high[c], most)
            magnitudes[c] = max(magnitudes[c], magnitude)
    for c in range(count):
        low[c] = _NAN if magnitudes[c] >= INFINITY else ordered(low[c])


@numba.njit(cache=True, nogil=True)
def affine(
    low: Any, high: Any, steps: Any, least: Any, scale: Any, inverse: Any, zero_point: Any
) -> Any:
    """Quantiser of each range; tell whether all of them can be quantised."""
    usable = True
    for c in range(len(low)):
        span = high[c] - low[c]
        usable = usable and abs(span) <= _LARGEST
        scale[c] = max(span / steps, _TINY)
        inverse[c] = np.float32(1) / scale[c]
        zero = least - np.rint(low[c] * inverse[c])
        zero_point[c] = np.int32(min(max(zero, least), least + steps))
    return usable


@numba.njit(cache=True, nogil=True, inline="always")
def _step(x: Any, inverse: Any, offset: Any, least: Any, most: Any) -> Any:
    return np.int8(np.int32(min(max(np.rint(x * inverse) + offset, least), most)))


@numba.njit(cache=True, nogil=True)
def quantise(
    x: Any, outer: int, count: int, inner: int, inverse: Any, zero_point: Any, least: Any,
    most: Any, out: Any,
) -> None:  # fmt: skip
    """Integers of each scope; see `Loops.quantise`."""
    if inner == 1:
        for start in range(0, len(x), max(count, 1)):
            row, target = x[start : start + count], out[start : start + count]
            for c in range(len(row)):
                target[c] = _step(row[c], inverse[c], np.float32(zero_point[c]), least, most)
    else:
        for run in range(outer * count if len(x) else 0):
            by, offset = inverse[run % count], np.float32(zero_point[run % count])
            part, target = x[run * inner : (run + 1) * inner], out[run * inner : (run + 1) * inner]
            for i in range(len(part)):
                target[i] = _step(part[i], by, offset, least, most)


@numba.njit(cache=True, nogil=True)
def dequantise(
    q: Any, outer: int, count: int, inner: int, scale: Any, zero_point: Any, out: Any
) -> None:
    """Floats of each scope; see `Loops.dequantise`."""
    if inner == 1:
        for start in range(0, len(q), max(count, 1)):
            row, target = q[start : start + count], out[start : start + count]
            for c in range(len(row)):
                target[c] = np.float32(np.int32(row[c]) - zero_point[c]) * scale[c]
    else:
        for run in range(outer * count if len(q) else 0):
            step, zero = scale[run % count], zero_point[run % count]
            part, target = q[run * inner : (run + 1) * inner], out[run * inner : (run + 1) * inner]
            for i in range(len(part)):
                target[i] = np.float32(np.int32(part[i]) - zero) * step


@numba.njit(cache=True, nogil=True)
def pack4(pairs: Any, out: Any) -> None:
    """Bring the 4-bit integers in the two bytes of each word into one byte."""
    for i in range(len(pairs)):
        out[i] = np.uint8(pairs[i] | (pairs[i] >> np.uint16(4)))


@numba.njit(cache=True, nogil=True)
def unpack4(packed: Any, pairs: Any) -> None:
    """Put the two halves of each byte into the bytes of a word."""
    for i in range(len(pairs)):
        byte = np.uint16(packed[i])
        pairs[i] = (byte | (byte << np.uint16(4))) & np.uint16(0x0F0F)


@numba.njit(cache=True, nogil=True)
def compress(bits: Any, bitmap: Any, values: Any) -> Any:
    """Write the elements that have a bit set; `values` has room for one more than there are."""
    count = np.uint64(0)  # without a sign: Numba need not look for indices from the end
    for byte in range(len(bitmap)):
        part = bits[8 * byte : 8 * byte + 8]
        marks = np.uint32(0)
        for i in range(len(part)):
            marked = np.uint32(part[i] != 0)
            values[count] = part[i]  # no branch: the next one overwrites what is not kept
            count += np.uint64(marked)
            marks |= marked << np.uint32(i)
        bitmap[byte] = marks
    return count


@numba.njit(cache=True, nogil=True)
def population(words: Any) -> Any:
    """Count the bits that are set."""
    total = np.int64(0)
    for word in words:
        pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
        fours = (pairs & np.uint64(0x3333333333333333)) + (
            (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
        )
        eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += np.int64((eights * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return total


@numba.njit(cache=True, nogil=True)
def expand(bitmap: Any, values: Any, out: Any) -> None:
    """Bits of the values where the bitmap has a bit, else zero; never reads beyond the values."""
    at = np.uint64(0)
    for byte in range(len(bitmap)):
        part = out[8 * byte : 8 * byte + 8]
        marks = np.uint32(bitmap[byte])
        if at + np.uint64(8) <= len(values) and len(part) == 8:
            for i in range(8):
                marked = np.int32((marks >> np.uint32(i)) & np.uint32(1))
                part[i] = values[at] & -marked  # no branch: the value is read in any case
                at += np.uint64(marked)
        else:
            for i in range(len(part)):
                part[i] = 0
                if (marks >> np.uint32(i)) & np.uint32(1) and at < len(values):
                    part[i] = values[at]
                    at += np.uint64(1)
