"""CRC32C against published vectors, through the frame that every back end checks."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from coinfer_kernels import _crc

# RFC 3720 (iSCSI), appendix B.4, and the check value of the CRC catalogue.
VECTORS = [
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(reversed(range(32))), 0x113FDB5C),
    (b"", 0),
]


@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_published_vectors(backend, data, expected):
    assert backend.crc32c(data) == expected
    assert _crc.crc32c(np.frombuffer(data, np.uint8)) == expected


def bitwise(data, crc=0):
    """The definition: one bit at a time."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_blocks_of_any_length_continue_each_other(rng):
    data = rng.integers(0, 256, 3000, dtype=np.uint8)
    whole = bitwise(data.tobytes())
    for cut in (0, 1, 3, 4, 5, 1023, 1024, 1027, 2047, 2048, 2999, 3000):
        assert _crc.crc32c(data[cut:], _crc.crc32c(data[:cut])) == whole


def test_any_length_and_alignment(backend, rng):
    data = rng.integers(0, 256, 70000, dtype=np.uint8)
    for length in (*range(131), 191, 192, 255, 256, 257, 1023, 1024, 4095, 6200, 9000, 69990):
        for offset in range(9) if length < 300 else (0, 3):
            piece = data[offset : offset + length]
            crc = backend.crc32c(piece)
            assert crc == _crc.crc32c(piece), (length, offset)
            cut = length // 3
            assert backend.crc32c(piece[cut:], backend.crc32c(piece[:cut])) == crc
    assert backend.crc32c(data[:3000], 7) == bitwise(data[:3000].tobytes(), 7)


def test_checksums_of_any_buffer(backend):
    data = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    crc = backend.crc32c(data.tobytes())
    for form in (data, memoryview(data), bytearray(data.tobytes()), memoryview(data.tobytes())):
        assert backend.crc32c(form) == crc
    assert type(crc) is int
    assert backend.crc32c(b"", 123) == 123
    assert backend.crc32c(b"9", np.uint32(backend.crc32c(b"12345678"))) == VECTORS[0][1]
    assert backend.crc32c(np.empty((0, 3)), 2**32 - 1) == 2**32 - 1


def test_crc32c_refuses(backend):
    for wrong in (-1, 2**32, 2**70):
        with pytest.raises(ValueError, match="crc must be between 0 and 2\\*\\*32 - 1"):
            backend.crc32c(b"1", wrong)
    with pytest.raises(TypeError):
        backend.crc32c(b"1", 1.0)
    for wrong in ("text", None, 3):
        with pytest.raises(TypeError):
            backend.crc32c(wrong)
    with pytest.raises(ValueError, match="contiguous"):
        backend.crc32c(memoryview(bytes(9))[::2])


def test_every_back_end_writes_the_checksum_of_header_and_payload(backend, rng):
    for length in (*range(0, 70), 95, 96, 97, 191, 192, 193, 767, 768, 769, 1600, 6200, 9000):
        x = rng.standard_normal(length, dtype=np.float32)
        for encoding in ("raw", "int8"):
            frame = bytes(backend.encode(x, encoding))
            (written,) = struct.unpack_from("<I", frame, 60)
            assert written == _crc.crc32c(np.frombuffer(frame[:60] + frame[64:], np.uint8))


def test_the_checksum_of_a_frame_by_the_definition(backend):
    frame = bytes(backend.encode(np.arange(11, dtype=np.float32), "fp16"))
    assert struct.unpack_from("<I", frame, 60)[0] == bitwise(frame[:60] + frame[64:])
