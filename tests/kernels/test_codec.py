"""Frames: the same bytes from every back end, and back again, at every length and alignment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coinfer_kernels import FrameError, encoded_size, peek

ENCODINGS = ("raw", "fp16", "int8")
LENGTHS = (*range(131), 1000, 4099)
TINY = np.finfo(np.float32).tiny
LARGEST = np.finfo(np.float32).max


def values(rng, length):
    """Signed values with zeros of both signs and a subnormal among them."""
    x = rng.standard_normal(length, dtype=np.float32)
    x[3::7] = -0.0
    x[5::11] = TINY / 8
    return x


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("crc", [True, False])
def test_bytes_equal_the_reference_at_every_length(backend, reference, rng, encoding, crc):
    for length in LENGTHS:
        x = values(rng, length)
        frame = backend.encode(x, encoding, crc=crc)
        assert bytes(frame) == bytes(reference.encode(x, encoding, crc=crc)), length
        assert len(frame) == encoded_size(x.shape, encoding)
        # Bits, so that the sign of a zero counts.
        decoded = backend.decode(frame).view(np.uint32)
        assert np.array_equal(decoded, reference.decode(frame).view(np.uint32)), length


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_large_tensors_release_the_lock_and_stay_equal(backend, reference, rng, encoding):
    x = rng.standard_normal((3, 5, 64, 67), dtype=np.float32)
    frame = backend.encode(x, encoding)
    assert bytes(frame) == bytes(reference.encode(x, encoding))
    assert np.array_equal(backend.decode(frame), reference.decode(frame))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_alignment_of_frames(backend, rng, encoding):
    for length in (0, 1, 15, 16, 17, 64, 65, 130):
        x = values(rng, length)
        expected = bytes(backend.encode(x, encoding))
        decoded = backend.decode(expected)
        for offset in range(17):
            room = bytearray(len(expected) + 40)
            target = memoryview(room)[offset:]
            written = backend.encode(x, encoding, target)
            assert isinstance(written, memoryview)
            assert bytes(written) == expected
            assert bytes(room[:offset]) == bytes(offset), "wrote before the buffer"
            assert not any(room[offset + len(expected) :]), "wrote beyond the frame"
            assert np.array_equal(backend.decode(target[: len(expected)]), decoded)


def test_decode_into_fills_that_array(backend, rng):
    x = values(rng, 77).reshape(7, 11)
    for encoding in ENCODINGS:
        room = np.full(77 + 20, 7.0, np.float32)
        out = room[3:80].reshape(7, 11)
        assert backend.decode(backend.encode(x, encoding), out) is out
        assert np.array_equal(out, backend.decode(backend.encode(x, encoding)))
        assert (room[:3] == 7).all(), "wrote before the array"
        assert (room[80:] == 7).all(), "wrote beyond the array"


def test_raw_keeps_every_bit(backend):
    bits = np.array([0, 1, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00001, 0x7FA00000], np.uint32)
    decoded = backend.decode(backend.encode(bits.view(np.float32), "raw"))
    assert decoded.view(np.uint32).tolist() == bits.tolist()


def test_fp16_rounds_as_ieee_says(backend, rng):
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    exact = halves.astype(np.float32)
    finite = exact[np.isfinite(exact)]
    between = ((finite[:-1].astype(np.float64) + finite[1:]) / 2).astype(np.float32)
    near = np.nextafter(between, np.float32(0))
    random = rng.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    ties = np.array([65519.99, 65520, 65536, 2**-25, 2**-24 * 1.5, 2**-26, -(2**-25)], np.float32)
    for x in (exact, between, near, random, ties):
        decoded = backend.decode(backend.encode(x, "fp16"))
        with np.errstate(over="ignore", invalid="ignore"):
            expected = x.astype(np.float16).astype(np.float32)
        number = ~np.isnan(x)
        assert np.array_equal(np.isnan(decoded), ~number)
        assert np.array_equal(decoded[number].view("u4"), expected[number].view("u4"))


def test_int8_errs_by_half_a_step_and_keeps_zero(backend, rng):
    for scale in (1.0, 1e-30, 1e30, LARGEST / 16):
        for shift in (-3.0, 0.0, 0.5, 3.0):
            x = (rng.standard_normal(1001).clip(-4, 4) + shift).astype(np.float32)
            x = (x * np.float32(scale)).astype(np.float32)
            x[17] = 0
            frame = backend.encode(x, "int8")
            decoded = backend.decode(frame)
            step = peek(frame).scale
            error = np.abs(decoded.astype(np.float64) - x).max()
            assert error <= step * 0.5001, (scale, shift)
            assert decoded[17] == 0


def test_int8_rounds_half_to_even(backend):
    # Scale 1 and zero point -128: the values are the steps themselves.
    x = np.array([0, 255, 0.5, 1.5, 2.5, 126.5, 127.5, 253.5], np.float32)
    assert backend.decode(backend.encode(x, "int8")).tolist() == [0, 255, 0, 2, 2, 126, 128, 254]


@pytest.mark.parametrize(
    "x",
    [[0.0], [-0.0], [1e-45, -1e-45], [TINY], [5.0], [-5.0], [LARGEST], [-LARGEST], [3e-39, 0.0]],
)
def test_int8_at_the_ends_of_the_range(backend, reference, x):
    array = np.array(x, np.float32)
    frame = backend.encode(array, "int8")
    assert bytes(frame) == bytes(reference.encode(array, "int8"))
    decoded = backend.decode(frame)
    assert np.isfinite(decoded).all()
    assert np.abs(decoded.astype(np.float64) - array).max() <= peek(frame).scale * 0.5001


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_int8_refuses_what_is_not_finite(backend, bad):
    for length in (1, 7, 16, 33, 130, 500):
        for place in {0, length // 2, length - 1}:
            x = np.ones(length, np.float32)
            x[place] = bad
            with pytest.raises(ValueError, match="NaN or infinite"):
                backend.encode(x, "int8")


def test_int8_refuses_a_range_beyond_float32(backend):
    with pytest.raises(ValueError, match="overflows float32"):
        backend.encode(np.array([-3e38, 3e38], np.float32), "int8")


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 5), (2, 0, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_shapes_survive(backend, shape, encoding):
    x = np.ones(shape, np.float32)
    frame = backend.encode(x, encoding)
    info = peek(frame)
    assert info.shape == shape
    assert info.frame_bytes == len(frame) == encoded_size(shape, encoding)
    assert backend.decode(frame).shape == shape


def test_float16_input_is_widened(backend, rng):
    x = rng.standard_normal(100).astype(np.float16)
    for encoding in ENCODINGS:
        assert bytes(backend.encode(x, encoding)) == bytes(
            backend.encode(x.astype(np.float32), encoding)
        )


def outcome(function, *arguments, **options):
    """Return the result, or the text of the ValueError."""
    try:
        return function(*arguments, **options)
    except ValueError as error:
        return str(error)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    x=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
        elements=st.floats(width=32),
    ),
    encoding=st.sampled_from(ENCODINGS),
    crc=st.booleans(),
)
def test_round_trip_of_anything(backend, reference, x, encoding, crc):
    expected = outcome(reference.encode, x, encoding, crc=crc)
    if isinstance(expected, str):
        assert outcome(backend.encode, x, encoding, crc=crc) == expected
        return
    frame = backend.encode(x, encoding, crc=crc)
    if not (encoding == "fp16" and np.isnan(x).any()):
        assert bytes(frame) == bytes(expected)
    assert np.array_equal(backend.decode(frame), reference.decode(frame), equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(backend, data):
    with pytest.raises(FrameError):
        backend.decode(data)
