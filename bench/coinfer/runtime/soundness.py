"""The one place where a frame is checked on receipt: checksum and content, before any use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import coinfer_kernels
from coinfer_kernels.errors import FrameError


def is_sound(frame: Any) -> bool:
    """Whether a frame may be used; one without a checksum may not."""
    try:
        return bool(_verify(frame).has_crc)
    except FrameError:
        return False


def _decoded(frame: Any) -> Any:
    coinfer_kernels.decode(frame)
    return coinfer_kernels.peek(frame)


_verify: Callable[[Any], Any] = getattr(coinfer_kernels, "verify", _decoded)
