"""No damaged frame is decoded, and every back end blames the same field."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from coinfer_kernels import FrameError, encode, peek

# Where each field of the header lies: the byte table of docs/kernels.md.
FIELDS = {
    "magic": range(0, 4),
    "version": range(4, 5),
    "encoding": range(5, 6),
    "dtype": range(6, 7),
    "ndim": range(7, 8),
    "flags": range(8, 10),
    "parameter": range(10, 12),
    "table_bytes": range(12, 16),
    "dims": range(16, 32),
    "payload_bytes": range(32, 40),
    "scale": range(40, 44),
    "zero_point": range(44, 48),
    "reserved": range(48, 60),
    "crc": range(60, 64),
}
SAMPLE = np.linspace(-1, 2, 30, dtype=np.float32).reshape(5, 6)


def frame_of(encoding, *, crc):
    return bytes(encode(SAMPLE, encoding, crc=crc))


def field_at_fault(backend, frame):
    with pytest.raises(FrameError) as caught:
        backend.decode(frame)
    assert caught.value.field in str(caught.value)
    with pytest.raises(FrameError) as verified:
        backend.verify(frame)
    assert verified.value.field == caught.value.field
    return caught.value.field


def patched(frame, offset, layout, *values):
    changed = bytearray(frame)
    struct.pack_into(layout, changed, offset, *values)
    return bytes(changed)


@pytest.mark.parametrize("encoding", ["raw", "fp16", "int8"])
def test_every_mutation_of_a_checked_frame_is_caught(backend, reference, encoding):
    good = frame_of(encoding, crc=True)
    for place in range(len(good)):
        for mask in (0x01, 0x80, 0xFF):
            bad = bytearray(good)
            bad[place] ^= mask
            assert field_at_fault(backend, bad) == field_at_fault(reference, bad), (place, mask)


def usable(frame):
    scale, zero_point = struct.unpack_from("<fi", frame, 40)
    return 2**-126 <= scale <= 65793 * 2**104 and -128 <= zero_point <= 127


@pytest.mark.parametrize("encoding", ["raw", "fp16", "int8"])
def test_header_mutations_without_checksum(backend, reference, encoding):
    """Only another usable scale or zero point can go unseen."""
    good = frame_of(encoding, crc=False)
    for field, places in FIELDS.items():
        for place in places:
            for mask in (0x01, 0x10, 0x80, 0xFF):
                bad = bytearray(good)
                bad[place] ^= mask
                if encoding == "int8" and field in ("scale", "zero_point") and usable(bad):
                    assert np.array_equal(backend.decode(bad), reference.decode(bad))
                else:
                    assert field_at_fault(backend, bad) == field_at_fault(reference, bad)


def test_each_field_is_named(backend):
    good = frame_of("int8", crc=False)
    assert field_at_fault(backend, patched(good, 0, "4s", b"CIKG")) == "magic"
    assert field_at_fault(backend, patched(good, 4, "B", 2)) == "version"
    assert field_at_fault(backend, patched(good, 5, "B", 12)) == "encoding"
    assert field_at_fault(backend, patched(good, 5, "B", 0)) == "encoding"
    assert field_at_fault(backend, patched(good, 6, "B", 2)) == "dtype"
    assert field_at_fault(backend, patched(good, 7, "B", 5)) == "ndim"
    assert field_at_fault(backend, patched(good, 7, "B", 1)) == "dims"
    assert field_at_fault(backend, patched(good, 8, "<H", 2)) == "flags"
    assert field_at_fault(backend, patched(good, 10, "<H", 1)) == "parameter"
    assert field_at_fault(backend, patched(good, 12, "<I", 4)) == "table_bytes"
    assert field_at_fault(backend, patched(good, 16, "<I", 6)) == "payload_bytes"
    assert field_at_fault(backend, patched(good, 28, "<I", 1)) == "dims"
    assert field_at_fault(backend, patched(good, 32, "<Q", 31)) == "payload_bytes"
    for scale in (0.0, -1.0, 1e-39, np.inf, np.nan, 3e38):
        assert field_at_fault(backend, patched(good, 40, "<f", scale)) == "scale"
    for zero_point in (-129, 128, 2**31 - 1, -(2**31)):
        assert field_at_fault(backend, patched(good, 44, "<i", zero_point)) == "zero_point"
    assert field_at_fault(backend, patched(good, 59, "B", 1)) == "reserved"
    assert field_at_fault(backend, patched(good, 60, "<I", 1)) == "crc"
    raw = frame_of("raw", crc=False)
    assert field_at_fault(backend, patched(raw, 40, "<f", -0.0)) == "scale"
    assert field_at_fault(backend, patched(raw, 44, "<i", 1)) == "zero_point"


@pytest.mark.parametrize(
    "dims",
    [
        (2**32 - 1,) * 4,
        (2**16, 2**16, 2**16, 2**16),  # the product is 2**64: zero for who does not look
        (0, 2**32 - 1, 2**32 - 1, 2**32 - 1),
        (2**31, 2, 1, 1),
        (2**28 + 1, 1, 1, 1),
    ],
)
def test_huge_shapes_are_refused_before_anything_is_allocated(backend, dims):
    for payload_bytes in (0, 30, 2**63):
        bad = patched(frame_of("int8", crc=False), 7, "B", 4)
        bad = patched(bad, 16, "<4IQ", *dims, payload_bytes)
        assert field_at_fault(backend, bad) == "dims"


@pytest.mark.parametrize("crc", [True, False])
def test_the_length_must_be_exact(backend, reference, crc):
    for encoding in ("raw", "fp16", "int8"):
        good = frame_of(encoding, crc=crc)
        for length in range(len(good)):
            assert field_at_fault(backend, good[:length]) == "length"
        assert field_at_fault(backend, good + b"\0") == "length"
        assert field_at_fault(backend, good + good) == "length"


def test_nothing_is_written_when_a_frame_is_refused(backend):
    out = np.full(SAMPLE.shape, 7, np.float32)
    bad = bytearray(frame_of("int8", crc=True))
    bad[-1] ^= 1
    with pytest.raises(FrameError):
        backend.decode(bad, out)
    assert (out == 7).all()


def test_verify_tells_what_peek_does_but_looks_at_the_whole(backend):
    good = frame_of("int8", crc=True)
    assert backend.verify(good) == peek(good)
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    assert peek(damaged) == peek(good)
    assert field_at_fault(backend, damaged) == "crc"


def test_peek_checks_the_header_alone():
    good = frame_of("int8", crc=True)
    assert peek(good[:64]) == peek(good)
    assert peek(good).has_crc
    assert not peek(frame_of("raw", crc=False)).has_crc
    with pytest.raises(FrameError, match="version"):
        peek(patched(good, 4, "B", 7))


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(FrameError("scale", "nan is not a usable step")))
    assert error.field == "scale"
    assert "nan is not a usable step" in str(error)
