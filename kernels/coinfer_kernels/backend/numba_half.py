"""float16 and bfloat16 by integer arithmetic, a byte at a time: the frame need not be aligned."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_HALF = np.float32(0.5)


@numba.njit(cache=True, nogil=True)
def narrow(bits: Any, out: Any) -> None:
    """float32 to float16."""
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


@numba.njit(cache=True, nogil=True)
def widen(data: Any, out: Any) -> None:
    """float16 to float32."""
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


@numba.njit(cache=True, nogil=True)
def narrow_bf16(bits: Any, out: Any) -> None:
    """float32 to bfloat16."""
    for i in range(len(bits)):
        value = np.uint32(bits[i])
        upper = np.uint32(value >> np.uint32(16))
        last = np.uint32(upper & np.uint32(1))
        half = np.uint32(np.uint32(value + np.uint32(0x7FFF) + last) >> np.uint32(16))
        # Rounding could carry a NaN into another number.
        is_nan = np.uint32(value & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
        half = np.uint32(upper | np.uint32(0x40)) if is_nan else half
        out[2 * i] = np.uint8(half & np.uint32(0xFF))
        out[2 * i + 1] = np.uint8(half >> np.uint32(8))


@numba.njit(cache=True, nogil=True)
def widen_bf16(data: Any, out: Any) -> None:
    """bfloat16 to float32."""
    for i in range(len(out)):
        low, high = np.uint32(data[2 * i]), np.uint32(data[2 * i + 1])
        out[i] = np.uint32((low << np.uint32(16)) | (high << np.uint32(24)))
