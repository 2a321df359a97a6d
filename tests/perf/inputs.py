"""What the kernels are given: features as they leave a ReLU, logits, and memory to write to."""

from __future__ import annotations

import numpy as np

SHAPES = {64: (1, 16, 2, 2), 4096: (1, 64, 8, 8), 65536: (1, 64, 32, 32)}
"""Feature maps of one image, by the number of floats."""

LOGITS = {f"{rows}x{classes}": (rows, classes) for rows, classes in
          ((1, 10), (1, 1000), (32, 100), (1024, 10), (256, 1000))}  # fmt: skip
_CACHE_LINE_BYTES = 64
_CUT = np.float32(0.3055)  # 62 % of a normal distribution lie below


def memory(count: int, dtype: type = np.uint8) -> np.ndarray:
    """Warm memory that starts at a cache line, so that luck favours nobody."""
    size = count * np.dtype(dtype).itemsize
    spare = np.zeros(size + _CACHE_LINE_BYTES, np.uint8)
    start = -spare.ctypes.data % _CACHE_LINE_BYTES
    return spare[start : start + size].view(dtype)


def features(count: int, seed: int = 1) -> np.ndarray:
    """Feature map after a ReLU: 62 % of its elements are zero."""
    x = memory(count, np.float32).reshape(SHAPES[count])
    x[...] = np.maximum(np.random.default_rng(seed).standard_normal(x.shape, np.float32) - _CUT, 0)
    return x


def logits(size: str) -> np.ndarray:
    """Logits of a batch, rows x classes."""
    rows, classes = LOGITS[size]
    z = memory(rows * classes, np.float32).reshape(rows, classes)
    z[...] = 3 * np.random.default_rng(1).standard_normal(z.shape, np.float32)
    return z
