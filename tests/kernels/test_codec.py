"""Frames: the same bytes from every back end, and back again, at every length and alignment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coinfer_kernels import FrameError, encoded_size, info

ENCODINGS = info()["encodings"]
LENGTHS = (*range(131), 1000, 4099)
LARGE = 65537
SHAPES = [(), (0,), (1,), (33,), (0, 5), (5, 0), (2, 0, 3), (0, 0), (1, 7), (7, 1), (3, 5), (8, 33),
          (2, 3, 5), (1, 4, 1), (3, 1, 8), (5, 2, 3, 4), (1, 2, 3, 4), (2, 33, 1, 1),
          (1, 64, 5, 5)]  # fmt: skip
TINY = np.finfo(np.float32).tiny
NOT_FINITE = np.array([0x7F800000, 0xFF800000, 0x7FC00001, 0xFFC00000, 0x7FA00000], np.uint32)
KEEP_NOT_FINITE = {"raw", "fp16", "bf16", "sparse-fp32", "sparse-fp16"}


def values(rng, shape):
    """Signed values with zeros of both signs and a subnormal among them."""
    x = np.asarray(rng.standard_normal(shape, dtype=np.float32))
    flat = x.reshape(-1)
    flat[1::4] = 0.0
    flat[3::7] = -0.0
    flat[5::11] = TINY / 8
    return x


def bits(x):
    """Bits, so that the sign of a zero counts; every NaN counts as the same."""
    return np.where(np.isnan(x), np.float32(np.nan), x).view(np.uint32)


def assert_same_frames(backend, reference, x, encoding, crc=True):
    frame = backend.encode(x, encoding, crc=crc)
    assert bytes(frame) == bytes(reference.encode(x, encoding, crc=crc)), x.shape
    assert np.array_equal(bits(backend.decode(frame)), bits(reference.decode(frame))), x.shape
    if encoding.startswith("sparse"):
        assert len(frame) <= encoded_size(x.shape, encoding)
    else:
        assert len(frame) == encoded_size(x.shape, encoding)


@pytest.mark.parametrize("crc", [True, False])
def test_bytes_equal_the_reference_at_every_length(backend, reference, rng, encoding, crc):
    for length in LENGTHS:
        assert_same_frames(backend, reference, values(rng, length), encoding, crc)


def test_bytes_equal_the_reference_in_every_shape(backend, reference, rng, encoding):
    for shape in SHAPES:
        x = values(rng, shape)
        assert_same_frames(backend, reference, x, encoding)
        assert_same_frames(backend, reference, np.maximum(x, 0), encoding)
        frame = backend.encode(x, encoding)
        info = backend.peek(frame)
        assert info.shape == shape
        assert info.frame_bytes == len(frame)
        assert backend.decode(frame).shape == shape


def test_large_tensors_release_the_lock_and_stay_equal(backend, reference, rng, encoding):
    for shape in ((LARGE,), (1, LARGE), (3, 5, 64, 67), (61, 1031)):
        x = values(rng, shape)
        assert_same_frames(backend, reference, x, encoding)
        assert_same_frames(backend, reference, np.maximum(x, 0), encoding)


def test_any_alignment_of_frames_and_tensors(backend, rng, encoding):
    for length in (0, 1, 15, 16, 17, 31, 64, 65, 130, 1031):
        x = values(rng, length)
        expected = bytes(backend.encode(x, encoding))
        decoded = backend.decode(expected)
        size = encoded_size(x.shape, encoding)
        for offset in range(17):
            room = bytearray(b"\x5a" * (size + 40))
            target = memoryview(room)[offset:]
            shifted = np.empty(length + 17, np.float32)[offset : offset + length]
            shifted[:] = x
            written = backend.encode(shifted, encoding, target)
            assert isinstance(written, memoryview)
            assert bytes(written) == expected
            assert room[:offset] == b"\x5a" * offset, "wrote before the buffer"
            assert set(room[offset + size :]) == {0x5A}, "wrote beyond the frame"
            shifted[:] = 7
            assert backend.decode(target[: len(expected)], shifted) is shifted
            assert np.array_equal(bits(shifted), bits(decoded))


def test_decode_into_fills_that_array(backend, rng, encoding):
    x = values(rng, (7, 11))
    room = np.full(77 + 20, 7.0, np.float32)
    out = room[3:80].reshape(7, 11)
    assert backend.decode(backend.encode(x, encoding), out) is out
    assert np.array_equal(out, backend.decode(backend.encode(x, encoding)))
    assert (room[:3] == 7).all(), "wrote before the array"
    assert (room[80:] == 7).all(), "wrote beyond the array"


def test_what_is_not_finite_is_kept_or_refused(backend, reference, rng, encoding):
    for length in (1, 7, 16, 33, 130, 500):
        for place in sorted({0, length // 2, length - 1}):
            for bad in NOT_FINITE.view(np.float32):
                x = values(rng, length)
                x[place] = bad
                if encoding not in KEEP_NOT_FINITE:
                    message = f"^{encoding} cannot encode x: it has a NaN or infinite element$"
                    with pytest.raises(ValueError, match=message):
                        backend.encode(x, encoding)
                    continue
                decoded = backend.decode(backend.encode(x, encoding))
                assert np.array_equal(decoded[place], bad, equal_nan=True)
                assert np.signbit(decoded[place]) == np.signbit(bad)
                expected = reference.decode(reference.encode(x, encoding))
                assert np.array_equal(bits(decoded), bits(expected))


SPECIAL = np.array([0, 0x80000000, 1, 0x807FFFFF, 0x00400000, 0x7F800000, 0xFF800000,
                    0x7FC00000, 0x3F801000, 0x38FFF000, 0x477FF000], np.uint32)  # fmt: skip


@pytest.mark.parametrize("length", [*range(131), 4099, LARGE])
def test_special_numbers_in_every_lane_at_odd_addresses(backend, reference, rng, length):
    """Zeros of both signs, denormals, infinities, NaN, halves' ties: at each place in turn."""
    special = SPECIAL.view(np.float32)
    memory = np.empty(length + 3, np.float32)
    for first, encoding in enumerate(ENCODINGS):
        x = memory[first % 4 :][:length]
        x[:] = values(rng, length)
        places = np.arange(first % 3, length, 3)
        x[places] = np.resize(np.roll(special, first), len(places))
        if encoding not in KEEP_NOT_FINITE:
            if not np.isfinite(x).all():
                with pytest.raises(ValueError, match="NaN or infinite"):
                    backend.encode(x, encoding)
            x[~np.isfinite(x)] = TINY / 4
        expected = reference.encode(x, encoding)
        odd = 2 * first + 1
        frame = backend.encode(x, encoding, memoryview(bytearray(len(x) * 5 + 200 + odd))[odd:])
        decoded = backend.decode(frame, np.empty(length + 1, np.float32)[1:])
        assert np.array_equal(bits(decoded), bits(reference.decode(expected)))
        if not np.isnan(x).any():
            assert frame == expected


def test_copies_at_every_distance_within_a_page(backend, rng):
    """A frame's target may lie anywhere beyond its source: some distances are copied by a loop."""
    x = rng.standard_normal(3001, dtype=np.float32)
    frame = bytes(backend.encode(x, "raw"))
    room, out = bytearray(len(frame) + 8192), np.empty(x.size + 2048, np.float32)
    start = np.frombuffer(room, np.uint8).ctypes.data
    for beyond in (0, 1, 4, 16, 31, 32, 48, 63, 64, 4092):
        at = (x.ctypes.data + beyond - 64 - start) % 4096
        assert bytes(backend.encode(x, "raw", memoryview(room)[at:])) == frame
        skip = (start + at + 64 + beyond // 4 * 4 - out.ctypes.data) % 4096 // 4
        decoded = backend.decode(memoryview(room)[at : at + len(frame)], out[skip:][: x.size])
        assert np.array_equal(decoded, x)


def test_float16_input_is_widened(backend, rng, encoding):
    for shape in (*SHAPES, 100, 4099, LARGE):
        x = values(rng, shape).astype(np.float16)
        assert backend.encode(x, encoding) == backend.encode(x.astype(np.float32), encoding)


def test_every_float16_is_widened_exactly(backend):
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    number = every[~np.isnan(every)]
    for encoding in KEEP_NOT_FINITE:
        assert backend.encode(number, encoding) == backend.encode(
            number.astype(np.float32), encoding
        )
        assert np.isnan(backend.decode(backend.encode(every[np.isnan(every)], encoding))).all()


def outcome(function, *arguments):
    """Return the result, or the text of the ValueError."""
    try:
        return function(*arguments)
    except ValueError as error:
        return str(error)


TENSORS = hnp.arrays(
    st.sampled_from([np.float32, np.float16]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    elements=st.one_of(st.floats(width=16), st.just(0.0)),
) | hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    elements=st.floats(width=32),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(x=TENSORS, crc=st.booleans())
def test_round_trip_of_anything(backend, reference, x, encoding, crc):
    expected = outcome(reference.encode, x, encoding, None, crc)
    if isinstance(expected, str):
        assert outcome(backend.encode, x, encoding, None, crc) == expected
        return
    frame = backend.encode(x, encoding, None, crc)
    if not np.isnan(x).any():
        assert frame == expected
    decoded = backend.decode(frame)
    assert np.array_equal(bits(decoded), bits(reference.decode(frame)))
    # What has been decoded once is not rounded again.
    if encoding in KEEP_NOT_FINITE:
        assert np.array_equal(
            bits(backend.decode(backend.encode(decoded, encoding))), bits(decoded)
        )


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(backend, data):
    with pytest.raises(FrameError):
        backend.decode(data)
