"""Strong loops for Numba: branchless, so that LLVM vectorises them, and free to reassociate.

They check nothing, and assume finite numbers: that makes them faster than the Numba back end of
the library, and the honest rival of its C++. Each writes the header it needs (scale, zero point).
"""

from __future__ import annotations

import numpy as np
from numba import njit

f32, i32, u32, i8, u8 = np.float32, np.int32, np.uint32, np.int8, np.uint8
_LEAST_SCALE = f32(2.0**-126)
_TINY = f32(2.0**-24)


@njit(fastmath=True, cache=True)
def copy(x, header, out):
    header[5] = f32(1)
    for i in range(len(x)):
        out[i] = x[i]


@njit(fastmath=True, cache=True)
def narrow(bits, header, out):
    header[5] = f32(1)
    for i in range(len(bits)):
        magnitude = i32(bits[i] & i32(0x7FFFFFFF))
        odd = i32((magnitude >> i32(13)) & i32(1))
        half = i32((magnitude - i32(0x37FFF001) + odd) >> i32(13))
        small = i32(f32(magnitude.view(f32) + f32(0.5)).view(i32) - i32(0x3F000000))
        half = small if magnitude < i32(0x38800000) else half
        half = i32(0x7C00) if magnitude >= i32(0x47800000) else half
        half = i32(0x7E00) if magnitude > i32(0x7F800000) else half
        out[i] = np.int16(half | i32((bits[i] >> i32(16)) & i32(0x8000)))


@njit(fastmath=True, cache=True)
def widen(words, header, out):
    for i in range(len(words)):
        half = i32(words[i])
        magnitude = i32((half & i32(0x7FFF)) << i32(13))
        # The product moves the exponent, for subnormals too.
        value = f32(magnitude.view(f32) * f32(2.0**112)).view(i32)
        value = i32(value | i32(0x7F800000)) if magnitude >= i32(0x0F800000) else value
        out[i] = i32(value | i32((half & i32(0x8000)) << i32(16)))


@njit(fastmath=True, cache=True)
def narrow_bf16(bits, header, out):
    header[5] = f32(1)
    for i in range(len(bits)):
        word = u32(bits[i])
        rounded = u32(word + u32(0x7FFF) + u32((word >> u32(16)) & u32(1)))
        out[i] = np.uint16(rounded >> u32(16))


@njit(fastmath=True, cache=True)
def widen_bf16(words, header, out):
    for i in range(len(words)):
        out[i] = i32(u32(words[i]) << u32(16))


@njit(fastmath=True, cache=True, inline="always")
def _ordered(bits):
    """Integers in the order of the floats: LLVM vectorises their maximum, not that of floats."""
    return i32(bits ^ ((bits >> i32(31)) & i32(0x7FFFFFFF)))


@njit(fastmath=True, cache=True)
def _range(bits, steps):
    low = high = i32(0)
    for i in range(len(bits)):
        value = _ordered(bits[i])
        low = min(low, value)
        high = max(high, value)
    least = _ordered(low).view(f32)
    scale = max((_ordered(high).view(f32) - least) / f32(steps), _LEAST_SCALE)
    return scale, f32(1) / scale, np.rint(least * (f32(1) / scale))


# Slices, not ranges of indices: of an index that might be negative LLVM makes no vector.
@njit(fastmath=True, cache=True)
def _codes(x, inverse, zero, out):
    for i in range(len(x)):
        step = np.rint(x[i] * inverse) + zero
        out[i] = i8(i32(min(max(step, f32(-128)), f32(127))))


@njit(fastmath=True, cache=True)
def _nibbles(x, inverse, zero, out):
    for i in range(len(out)):
        first = i32(min(max(np.rint(x[2 * i] * inverse) + zero, f32(0)), f32(15)))
        second = i32(min(max(np.rint(x[2 * i + 1] * inverse) + zero, f32(0)), f32(15)))
        out[i] = u8(first | i32(second << i32(4)))


@njit(fastmath=True, cache=True)
def _values(q, scale, zero, out):
    for i in range(len(out)):
        out[i] = f32(i32(q[i]) - zero) * scale


@njit(fastmath=True, cache=True)
def _values4(nibbles, scale, zero, out):
    for i in range(len(nibbles)):
        both = i32(nibbles[i])
        out[2 * i] = f32(i32(both & i32(15)) - zero) * scale
        out[2 * i + 1] = f32(i32(both >> i32(4)) - zero) * scale


@njit(fastmath=True, cache=True)
def quantise(x, bits, size, scales, zeros, out):
    """int8 with one scale for each `size` elements."""
    for group in range(len(scales)):
        start, stop = group * size, (group + 1) * size
        scale, inverse, least = _range(bits[start:stop], 255)
        scales[group] = scale
        zeros[group] = i8(i32(f32(-128) - least))
        _codes(x[start:stop], inverse, f32(-128) - least, out[start:stop])


@njit(fastmath=True, cache=True)
def dequantise(q, size, scales, zeros, out):
    for group in range(len(scales)):
        start, stop = group * size, (group + 1) * size
        _values(q[start:stop], scales[group], i32(zeros[group]), out[start:stop])


@njit(fastmath=True, cache=True)
def quantise4(x, bits, size, scales, zeros, out):
    for group in range(len(scales)):
        start, stop = group * size, (group + 1) * size
        scale, inverse, least = _range(bits[start:stop], 15)
        scales[group] = scale
        zeros[group] = i8(i32(-least))
        _nibbles(x[start:stop], inverse, -least, out[start // 2 : stop // 2])


@njit(fastmath=True, cache=True)
def dequantise4(nibbles, size, scales, zeros, out):
    for group in range(len(scales)):
        start, stop = group * size, (group + 1) * size
        half = nibbles[start // 2 : stop // 2]
        _values4(half, scales[group], i32(zeros[group]), out[start:stop])


@njit(fastmath=True, cache=True)
def compress(bits, header, bitmap, values):
    """Bitmap of what is not zero, and those values behind each other; returns their number."""
    kept = 0
    for byte in range(len(bitmap)):
        mask = i32(0)
        for bit in range(8):
            word = bits[8 * byte + bit]
            present = i32(word != 0)
            values[kept] = word
            kept += present
            mask |= i32(present << i32(bit))
        bitmap[byte] = u8(mask)
    header[5] = f32(kept)
    return kept


@njit(fastmath=True, cache=True)
def compress_narrow(bits, header, bitmap, values, scratch):
    kept = compress(bits, header, bitmap, scratch)
    narrow(scratch[:kept], header, values)
    return kept


@njit(fastmath=True, cache=True)
def compress_quantise(bits, header, bitmap, scales, zeros, values, scratch, words):
    kept = compress(bits, header, bitmap, words)
    quantise(scratch[:kept], words[:kept], kept, scales, zeros, values)
    return kept


@njit(fastmath=True, cache=True)
def expand(bitmap, values, out):
    taken = 0
    for byte in range(len(bitmap)):
        mask = i32(bitmap[byte])
        for bit in range(8):
            present = i32((mask >> i32(bit)) & i32(1))
            out[8 * byte + bit] = values[taken] * present
            taken += present


@njit(fastmath=True, cache=True)
def expand_widen(bitmap, header, values, out, scratch):
    widen(values, header, scratch)
    expand(bitmap, scratch, out)


@njit(fastmath=True, cache=True)
def expand_dequantise(bitmap, values, scales, zeros, out, scratch):
    dequantise(values, len(values), scales, zeros, scratch)
    expand(bitmap, scratch.view(np.int32), out)


@njit(fastmath=True, cache=True)
def gather(portions, scales, zeros, width, out):
    for number in range(len(portions)):
        scale, zero = scales[number], i32(zeros[number])
        for i in range(width):
            out[number * width + i] = f32(i32(portions[number, i]) - zero) * scale


@njit(fastmath=True, cache=True)
def change(p, c, out):
    for row in range(len(p)):
        pp = cc = pc = f32(0)
        for k in range(p.shape[1]):
            pp += p[row, k] * p[row, k]
            cc += c[row, k] * c[row, k]
            pc += p[row, k] * c[row, k]
        out[row] = np.sqrt(max(f32(2) - f32(2) * pc / np.sqrt(pp * cc), f32(0)))
