"""The one place where a frame is checked on receipt: checksum and content, before any use."""

from __future__ import annotations

from typing import Any

from coinfer_kernels import verify
from coinfer_kernels.errors import FrameError


def is_sound(frame: Any) -> bool:
    """Whether a frame may be used; one without a checksum may not."""
    try:
        return verify(frame).has_crc
    except FrameError:
        return False
