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
            for c in range(count):
                value = ordered(bits[start + c])
                low[c] = min(low[c], value)
                high[c] = max(high[c], value)
                magnitudes[c] = max(magnitudes[c], np.int32(bits[start + c] & MAGNITUDE))
    else:
        for run in range(outer * count if len(bits) else 0):
            c = run % count
            least = most = magnitude = np.int32(0)
            for i in range(run * inner, min((run + 1) * inner, len(bits))):
                value = ordered(bits[i])
                least = min(least, value)
                most = max(most, value)
                magnitude = max(magnitude, np.int32(bits[i] & MAGNITUDE))
            low[c] = min(low[c], least)
            high[c] = max(high[c], most)
            magnitudes[c] = max(magnitudes[c], magnitude)
    for c in range(count):
        low[c] = _NAN if magnitudes[c] >= INFINITY else ordered(low[c])


@numba.njit(inline="always", cache=True, nogil=True)
def _step(x: Any, inverse: Any, offset: Any, least: Any, most: Any) -> Any:
    return np.int8(np.int32(min(max(np.rint(x * inverse) + offset, least), most)))


@numba.njit(cache=True, nogil=True)
def quantise(
    x: Any, outer: int, count: int, inner: int, inverse: Any, offset: Any, least: Any, most: Any,
    out: Any,
) -> None:  # fmt: skip
    """Integers of each scope; see `Loops.quantise`."""
    if inner == 1:
        for start in range(0, len(x), max(count, 1)):
            for c in range(count):
                i = start + c
                out[i] = _step(x[i], inverse[c], offset[c], least, most)
    else:
        for run in range(outer * count if len(x) else 0):
            by, zero = inverse[run % count], offset[run % count]
            for i in range(run * inner, min((run + 1) * inner, len(x))):
                out[i] = _step(x[i], by, zero, least, most)


@numba.njit(cache=True, nogil=True)
def dequantise(
    q: Any, outer: int, count: int, inner: int, scale: Any, zero_point: Any, out: Any
) -> None:
    """Floats of each scope; see `Loops.dequantise`."""
    if inner == 1:
        for start in range(0, len(q), max(count, 1)):
            for c in range(count):
                i = start + c
                out[i] = np.float32(np.int32(q[i]) - zero_point[c]) * scale[c]
    else:
        for run in range(outer * count if len(q) else 0):
            step, zero = scale[run % count], zero_point[run % count]
            for i in range(run * inner, min((run + 1) * inner, len(q))):
                out[i] = np.float32(np.int32(q[i]) - zero) * step


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
    count = np.int64(0)
    for byte in range(len(bitmap)):
        marks = np.int64(0)
        for i in range(8 * byte, min(8 * byte + 8, len(bits))):
            marked = np.int64(bits[i] != 0)
            values[count] = bits[i]  # without a branch: the next one overwrites what is not kept
            count += marked
            marks |= marked << (i & 7)
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
    """Bits of the values where the bitmap has a bit, else zero; `values` is not empty."""
    last = len(values) - 1
    at = np.int64(0)
    for byte in range(len(bitmap)):
        marks = np.int64(bitmap[byte])
        for i in range(8 * byte, min(8 * byte + 8, len(out))):
            marked = (marks >> (i & 7)) & 1
            out[i] = values[min(at, last)] & np.int32(-marked)
            at += marked
