"""Sparse encodings: the bitmap and the values that it marks, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from coinfer_kernels import encoded_size, peek

SPARSE = {"sparse-fp32": "raw", "sparse-fp16": "fp16", "sparse-int8": "int8"}


@pytest.fixture(params=SPARSE)
def encoding(request):
    return request.param


def by_hand(x):
    """Bitmap and kept elements, one element at a time."""
    bitmap = bytearray((x.size + 7) // 8)
    kept = []
    for i, value in enumerate(x.reshape(-1)):
        if value.tobytes() != bytes(4):
            bitmap[i // 8] |= 1 << i % 8
            kept.append(value)
    return bytes(bitmap), np.array(kept, np.float32)


def patterns(rng, length):
    some = rng.standard_normal(length, dtype=np.float32)
    yield np.zeros(length, np.float32)
    yield np.full(length, 2.5, np.float32)
    yield np.full(length, -0.0, np.float32)
    for share in (0.1, 0.62, 0.95):
        yield np.where(rng.random(length) < share, np.float32(0), some)
    lonely = np.zeros((2, length), np.float32)
    lonely[0, :1] = lonely[1, -1:] = 1e-45
    yield from lonely


def test_bitmap_and_values_are_those_of_the_definition(backend, rng, encoding):
    dense = SPARSE[encoding]
    for length in (*range(131), 4099, 65537):
        for x in patterns(rng, length):
            bitmap, kept = by_hand(x) if length < 131 else (None, x[x.view(np.uint32) != 0])
            frame = bytes(backend.encode(x, encoding))
            info = peek(frame)
            assert info.table_bytes == (length + 7) // 8
            if bitmap is not None:
                assert frame[64 : 64 + info.table_bytes] == bitmap
            values = bytes(backend.encode(kept, dense))
            assert frame[64 + info.table_bytes :] == values[64:]
            assert (info.scale, info.zero_point) == peek(values)[5:7]
            decoded = backend.decode(frame)
            expected = np.zeros(length, np.float32)
            expected[x.view(np.uint32) != 0] = backend.decode(values)
            assert np.array_equal(decoded.view(np.uint32), expected.view(np.uint32))


def test_sparse_fp32_loses_nothing(backend, rng):
    x = rng.integers(0, 2**32, (7, 131), dtype=np.uint32)
    x[rng.random(x.shape) < 0.5] = 0
    x[0, :4] = 0x80000000, 0x7FC00123, 0xFF800000, 1
    decoded = backend.decode(backend.encode(x.view(np.float32), "sparse-fp32"))
    assert np.array_equal(decoded.view(np.uint32), x)


def test_a_frame_is_as_long_as_its_values(backend, encoding):
    width = {"sparse-fp32": 4, "sparse-fp16": 2, "sparse-int8": 1}[encoding]
    x = np.zeros((9, 10), np.float32)
    for present in (0, 1, 45, 90):
        x.reshape(-1)[:present] = 3
        frame = backend.encode(x, encoding)
        assert isinstance(frame, bytearray)
        assert len(frame) == 64 + 12 + present * width
        out = bytearray(encoded_size(x.shape, encoding))
        view = backend.encode(x, encoding, out)
        assert view == frame
        assert out[: len(frame)] == frame
    assert len(frame) == encoded_size(x.shape, encoding)


def test_the_bound_is_demanded_even_when_less_is_written(backend, encoding):
    x = np.zeros(100, np.float32)
    size = encoded_size(x.shape, encoding)
    with pytest.raises(ValueError, match=f"out has {size - 1} bytes, but {size} are needed"):
        backend.encode(x, encoding, bytearray(size - 1))


def test_out_beyond_the_bound_is_never_touched(backend, rng, encoding):
    for length in (1, 8, 63, 64, 65, 1000, 20000):
        for x in patterns(rng, length):
            size = encoded_size(x.shape, encoding)
            room = bytearray(b"\xa5" * (size + 80))
            backend.encode(x, encoding, memoryview(room)[3:])
            assert room[:3] == b"\xa5" * 3
            assert set(room[3 + size :]) == {0xA5}
