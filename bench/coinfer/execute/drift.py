"""Whether the machine was as fast after a run as before it, by a reference kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SAMPLES: Final = 60
"""Of about 0.1 ms each. The quickest third counts: what is slower was disturbed."""


def reference_kernel() -> Callable[[], object]:
    """The small convolution that costs are stated in multiples of, on one thread."""
    import torch

    layer = torch.nn.Conv2d(16, 32, 3, padding=1, bias=False).eval()
    x = torch.zeros(1, 16, 14, 14)

    def run() -> object:
        with torch.inference_mode():
            return layer(x)

    return run


def speed_ns(kernel: Callable[[], object]) -> int:
    """What the kernel takes of the processor when nothing else is in its way."""
    taken = []
    for _ in range(SAMPLES):
        begin = time.thread_time_ns()
        kernel()
        taken.append(time.thread_time_ns() - begin)
    return sorted(taken)[SAMPLES // 3]


def drift(before_ns: int, after_ns: int) -> float:
    """Relative change.

    Examples
    --------
    >>> round(drift(100, 108), 6)
    0.08
    """
    return abs(after_ns / before_ns - 1)
