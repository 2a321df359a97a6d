"""No damaged frame is decoded, and every back end blames the same field."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from coinfer_kernels import FrameError, encode, info, peek

ENCODINGS = info()["encodings"]

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
ODD = np.where(np.arange(45) % 3, np.linspace(-1, 2, 45), 0).astype(np.float32).reshape(3, 3, 5)


def frame_of(encoding, *, crc, x=SAMPLE):
    return bytes(encode(x, encoding, crc=crc))


def field_at_fault(backend, frame):
    """Name the field; whoever reads the frame must name the same one, and write nothing."""
    with pytest.raises(FrameError) as caught:
        backend.decode(frame)
    field = caught.value.field
    assert field in str(caught.value)
    with pytest.raises(FrameError) as caught:
        backend.verify(frame)
    assert caught.value.field == field
    return field


def patched(frame, offset, layout, *values):
    changed = bytearray(frame)
    struct.pack_into(layout, changed, offset, *values)
    return bytes(changed)


def test_every_mutation_of_a_checked_frame_is_caught(backend, reference, encoding):
    for x in (SAMPLE, ODD):
        good = frame_of(encoding, crc=True, x=x)
        for place in range(len(good)):
            for mask in (0x01, 0x80, 0xFF):
                bad = bytearray(good)
                bad[place] ^= mask
                assert field_at_fault(backend, bad) == field_at_fault(reference, bad), place


def outcome(backend, frame):
    """Field at fault, or the decoded bits."""
    try:
        return backend.decode(frame).view(np.uint32).tolist()
    except FrameError as error:
        return error.field


def test_mutations_without_checksum_mean_the_same_everywhere(backend, reference, encoding):
    """Without a checksum some damage goes unseen: then all back ends must decode it alike."""
    for x in (SAMPLE, ODD):
        good = frame_of(encoding, crc=False, x=x)
        for place in range(len(good)):
            for mask in (0x01, 0x10, 0x80, 0xFF):
                bad = bytearray(good)
                bad[place] ^= mask
                assert outcome(backend, bad) == outcome(reference, bad), (place, mask)


def test_header_mutations_without_checksum_are_caught(backend, encoding):
    """Only another usable scale or zero point can go unseen."""
    good = frame_of(encoding, crc=False)
    with_range = encoding in ("int8", "int4", "sparse-int8")
    for field, places in FIELDS.items():
        if field in ("scale", "zero_point") and with_range:
            continue
        for place in places:
            for mask in (0x01, 0x10, 0x80, 0xFF):
                bad = bytearray(good)
                bad[place] ^= mask
                field_at_fault(backend, bad)


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
    ("encoding", "largest_step", "zero_points"),
    [
        ("int8", 65793 * 2**104, (-128, 127)),
        ("sparse-int8", 65793 * 2**104, (-128, 127)),
        ("int4", 1118481 * 2**104, (0, 15)),
    ],
)
def test_scales_and_zero_points_in_the_header(backend, encoding, largest_step, zero_points):
    good = frame_of(encoding, crc=False)
    above = float(np.nextafter(np.float32(largest_step), np.float32(np.inf)))
    for scale in (0.0, -1.0, 1e-39, above, np.inf, -np.inf, np.nan):
        assert field_at_fault(backend, patched(good, 40, "<f", scale)) == "scale"
    for scale in (2.0**-126, 1.0, largest_step):
        assert np.isfinite(backend.decode(patched(good, 40, "<f", scale))).all()
    least, most = zero_points
    for zero_point in (least - 1, most + 1, 2**31 - 1, -(2**31)):
        assert field_at_fault(backend, patched(good, 44, "<i", zero_point)) == "zero_point"
    for zero_point in (least, 1, most):
        backend.decode(patched(good, 44, "<i", zero_point))


@pytest.mark.parametrize("x", [SAMPLE, ODD, np.ones(70, np.float32), np.float32(3)])
@pytest.mark.parametrize("encoding", ["int8-channel", "int4-channel", "int4-group32"])
def test_scales_and_zero_points_in_a_table(backend, encoding, x):
    good = frame_of(encoding, crc=False, x=x)
    table_bytes = peek(good).table_bytes
    count = table_bytes // 5
    largest = np.finfo(np.float32).max / (255 if encoding == "int8-channel" else 15)
    above = float(np.nextafter(np.float32(largest), np.float32(np.inf)))
    for scope in {0, count // 2, count - 1}:
        for scale in (0.0, -0.0, -1.0, 1e-39, above, np.inf, -np.inf, np.nan):
            bad = patched(good, 64 + 4 * scope, "<f", scale)
            assert field_at_fault(backend, bad) == "scales"
        for scale in (2.0**-126, 1.0, largest):
            assert np.isfinite(backend.decode(patched(good, 64 + 4 * scope, "<f", scale))).all()
        place = 64 + 4 * count + scope
        for zero_point in (0, 15, 16, 127, 128, 255):
            changed = patched(good, place, "B", zero_point)
            if encoding == "int8-channel" or zero_point <= 15:
                assert backend.verify(changed).encoding == encoding
            else:
                assert field_at_fault(backend, changed) == "zero_points"
    # The scales are looked at before the zero points.
    if encoding != "int8-channel":
        bad = patched(patched(good, 64, "<f", 0.0), 64 + 4 * count, "B", 16)
        assert field_at_fault(backend, bad) == "scales"
    for wrong in (table_bytes - 1, table_bytes + 1, table_bytes + 5, 0, 2**32 - 1):
        assert field_at_fault(backend, patched(good, 12, "<I", wrong)) == "table_bytes"


def test_parameters(backend, encoding):
    for x in (SAMPLE, ODD, ODD.reshape(-1), np.float32(3)):
        wanted = {"int4-group32": 32, "int8-channel": 1, "int4-channel": 1}.get(encoding, 0)
        wanted = min(wanted, 1, np.ndim(x) // 2) if wanted == 1 else wanted
        good = frame_of(encoding, crc=False, x=x)
        assert peek(good).parameter == wanted
        for parameter in {0, 1, 2, 16, 32, 33, 256, 65535} - {wanted}:
            assert field_at_fault(backend, patched(good, 10, "<H", parameter)) == "parameter"


@pytest.mark.parametrize("encoding", ["int4", "int4-channel", "int4-group32"])
def test_the_half_byte_after_an_odd_number_of_values(backend, encoding):
    for x in (ODD, np.ones((1, 1), np.float32), np.ones(33, np.float32)):
        good = frame_of(encoding, crc=False, x=x)
        for bits in (0x10, 0x80, 0xF0):
            bad = patched(good, len(good) - 1, "B", good[-1] | bits)
            assert field_at_fault(backend, bad) == "padding"
    if encoding != "int4":
        assert field_at_fault(backend, patched(bad, 64, "<f", 0.0)) == "scales"
    even = frame_of(encoding, crc=False)
    backend.decode(patched(even, len(even) - 1, "B", even[-1] | 0xF0))


SPARSE = {"sparse-fp32": 4, "sparse-fp16": 2, "sparse-int8": 1}


@pytest.mark.parametrize("encoding", SPARSE)
def test_bitmaps(backend, encoding):
    for length in (1, 7, 8, 9, 63, 64, 65, 127, 130, 1031, 20001):
        x = np.where(np.arange(length) % 3, 1, 0).astype(np.float32)
        good = frame_of(encoding, crc=False, x=x)
        for i in sorted({0, 1, 2, length // 2, length - 2, length - 1} & set(range(length))):
            bad = patched(good, 64 + i // 8, "B", good[64 + i // 8] ^ 1 << i % 8)
            assert field_at_fault(backend, bad) == "bitmap", (length, i)
        last = 64 + (length - 1) // 8
        for bit in range(length % 8 or 8, 8):
            bad = patched(good, last, "B", good[last] | 1 << bit)
            assert field_at_fault(backend, bad) == "bitmap"
            if length > 1:  # element 1 has a value: now there are as many bits as before
                assert field_at_fault(backend, patched(bad, 64, "B", bad[64] ^ 2)) == "bitmap"
        if length > 2:  # as many bits, elsewhere: another tensor, but a sound frame
            moved = patched(good, 64, "B", good[64] ^ 0b11)
            assert backend.decode(moved)[:2].tolist() == [1, 0]


@pytest.mark.parametrize("encoding", SPARSE)
def test_lengths_of_sparse_payloads(backend, encoding):
    size = SPARSE[encoding]
    good = frame_of(encoding, crc=False, x=ODD)
    payload = len(good) - 64
    table = (ODD.size + 7) // 8
    for wrong in (0, table - 1, table + size * ODD.size + 1, 2**32, 2**63, 2**64 - 1):
        assert field_at_fault(backend, patched(good, 32, "<Q", wrong)) == "payload_bytes"
    for more in range(1, size):
        bad = patched(good, 32, "<Q", payload + more) + bytes(more)
        assert field_at_fault(backend, bad) == "payload_bytes"
    # A whole value too many or too few: the length is a possible one, but not this bitmap's.
    for values in (-1, 1):
        bad = patched(good, 32, "<Q", payload + values * size)
        assert field_at_fault(backend, bad) == "length"
        bad = (bad + bytes(size))[: len(good) + values * size]
        assert field_at_fault(backend, bad) == "bitmap"


def test_the_checksum_comes_before_the_content(backend):
    for encoding in ("int8-channel", "int4-group32", "sparse-fp32"):
        good = frame_of(encoding, crc=True, x=ODD)
        assert field_at_fault(backend, patched(good, 64, "4s", b"\xff\xff\xff\xff")) == "crc"


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
    for encoding in ENCODINGS:
        for payload_bytes in (0, 30, 2**63):
            bad = patched(frame_of(encoding, crc=False, x=ODD[None]), 7, "B", 4)
            bad = patched(bad, 16, "<4IQ", *dims, payload_bytes)
            assert field_at_fault(backend, bad) == "dims"


@pytest.mark.parametrize("crc", [True, False])
def test_the_length_must_be_exact(backend, encoding, crc):
    good = frame_of(encoding, crc=crc, x=ODD)
    for length in range(len(good)):
        assert field_at_fault(backend, good[:length]) == "length"
    assert field_at_fault(backend, good + b"\0") == "length"
    assert field_at_fault(backend, good + good) == "length"


def damaged(encoding):
    """One frame for each check of the content and for the checksum."""
    good = frame_of(encoding, crc=True, x=ODD)
    yield patched(good, len(good) - 1, "B", good[-1] ^ 1)
    good = frame_of(encoding, crc=False, x=ODD)
    yield good[:-1]
    if encoding in ("int8-channel", "int4-channel", "int4-group32"):
        yield patched(good, 64, "<f", np.nan)
    if encoding in ("int4-channel", "int4-group32"):
        yield patched(good, 64 + peek(good).table_bytes - 1, "B", 16)
    if encoding.startswith("int4"):
        yield patched(good, len(good) - 1, "B", good[-1] | 0x80)
    if encoding.startswith("sparse"):
        yield patched(good, 64, "B", good[64] ^ 1)


def test_nothing_is_written_when_a_frame_is_refused(backend, encoding):
    for bad in damaged(encoding):
        out = np.full(ODD.shape, 7, np.float32)
        with pytest.raises(FrameError) as caught:
            backend.decode(bad, out)
        assert (out == 7).all()
        portions = [bytes(encode(ODD, "raw")), bad]
        out = np.full((3, 30), 7, np.float32)
        with pytest.raises(FrameError) as again:
            backend.gather(portions, [15, 15], out)
        assert again.value.field == caught.value.field
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
