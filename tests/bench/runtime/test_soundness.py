"""What a receiver takes for a frame."""

from __future__ import annotations

import numpy as np
import pytest

import coinfer_kernels
from coinfer.runtime.soundness import is_sound


def test_only_whole_frames_with_a_checksum_may_be_used():
    x = np.arange(12, dtype=np.float32)
    frame = coinfer_kernels.encode(x, "int8")
    assert is_sound(frame)
    assert not is_sound(coinfer_kernels.encode(x, "int8", crc=False))
    assert not is_sound(frame[:-1])
    assert not is_sound(b"")


@pytest.mark.parametrize("encoding", ["raw", "int8", "sparse-fp16"])
def test_any_flipped_bit_is_seen(encoding):
    frame = coinfer_kernels.encode(np.arange(12, dtype=np.float32), encoding)
    for place in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[place // 8] ^= 1 << place % 8
        assert not is_sound(damaged), place
