"""The reference kernel: a small convolution that costs and speeds are stated in multiples of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

REFERENCE_MACS: Final = 16 * 32 * 9 * 14 * 14

SAMPLES: Final = 60
"""Of about 0.1 ms each. The quickest third counts: what is slower was disturbed."""


def reference_kernel() -> Callable[[], object]:
    """The convolution, on one thread."""
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Conv2d(16, 32, 3, padding=1, bias=False).eval()
    x = torch.zeros(1, 16, 14, 14)

    def run() -> object:
        with torch.inference_mode():
            return layer(x)

    run()
    return run


def speed_ns(kernel: Callable[[], object]) -> int:
    """What the kernel takes of the processor when nothing else is in its way."""
    taken = []
    for _ in range(SAMPLES):
        begin = time.thread_time_ns()
        kernel()
        taken.append(time.thread_time_ns() - begin)
    return sorted(taken)[SAMPLES // 3]
