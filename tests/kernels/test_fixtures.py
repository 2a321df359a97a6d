"""Committed frames freeze wire version 1: whoever changes these bytes breaks every peer."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

FIXTURES = Path(__file__).parent / "fixtures"
OLD = ("raw", "fp16", "int8")
NEW = ("bf16", "int8-channel", "int4", "int4-channel", "int4-group32",
       "sparse-fp32", "sparse-fp16", "sparse-int8")  # fmt: skip


def features():
    """Three channels that differ in scale; zeros of both signs; an odd number of elements."""
    i = np.arange(45)
    x = np.where(i % 3 == 0, 0, (i * 37 % 61 - 30) / 8).astype(np.float32)
    x[4] = -0.0
    return x.reshape(3, 3, 5) * np.array([[1], [4], [0.125]], np.float32)


def halves():
    """A group and a bit more, in float16."""
    i = np.arange(37)
    return np.where(i % 4 == 1, 0, (i * 29 % 53 - 20) / 16).astype(np.float16)


TENSORS = {
    "matrix": np.array([[0, -0.5, 1.25], [3.0e-5, 1000, -70000]], np.float32),
    "relu": np.maximum(np.linspace(-1, 3, 24, dtype=np.float32), 0).reshape(1, 2, 3, 4),
    "scalar": np.array(-2.5, np.float32),
    "empty": np.empty((0, 7), np.float32),
    "zeros": np.zeros(9, np.float32),
    "features": features(),
    "halves": halves(),
}
DECODED_INT8_MATRIX = [[0.0, 0.0, 0.0], [0.0, 1113.7254638671875, -69886.2734375]]
NAMES = sorted(path.stem for path in FIXTURES.glob("*.hex"))


def stored(name):
    return bytes.fromhex((FIXTURES / f"{name}.hex").read_text(encoding="ascii"))


def split(name):
    """Tensor, encoding, and whether there is a checksum."""
    tensor, encoding = name.split("-", 1)
    return TENSORS[tensor], encoding.removesuffix("-nocrc"), not encoding.endswith("-nocrc")


@pytest.mark.parametrize("name", NAMES)
def test_tensors_become_these_frames(backend, name):
    tensor, encoding, crc = split(name)
    assert bytes(backend.encode(tensor, encoding, None, crc)) == stored(name)
    assert bytes(backend.encode(tensor.astype(np.float32), encoding, None, crc)) == stored(name)


def test_all_fixtures_are_there():
    expected = {f"{name}-{e}" for name in ("matrix", "relu", "scalar", "empty", "zeros", "halves")
                for e in OLD}  # fmt: skip
    expected |= {f"matrix-{e}-nocrc" for e in OLD} | {f"features-{e}-nocrc" for e in NEW}
    expected |= {f"{n}-{e}" for n in ("relu", "scalar", "empty", "features", "halves") for e in NEW}
    assert set(NAMES) == expected


def read_by_the_byte_table(frame):
    """What docs/kernels.md says of a frame, as plainly as it can be written."""
    code, ndim = frame[5], frame[7]
    parameter, table_bytes = struct.unpack_from("<HI", frame, 10)
    shape = struct.unpack_from("<4I", frame, 16)[:ndim]
    scale, zero_point = struct.unpack_from("<fi", frame, 40)
    table, values = frame[64 : 64 + table_bytes], frame[64 + table_bytes :]
    count = int(np.prod(shape))
    marked = range(count)
    if code in (9, 10, 11):
        marked = [i for i in range(count) if table[i // 8] >> i % 8 & 1]
    out = np.zeros(count, np.float32)
    for place, i in enumerate(marked):
        if code in (1, 9):
            out[i] = np.frombuffer(values, "<f4")[place]
        elif code in (2, 10):
            out[i] = np.frombuffer(values, "<f2")[place]
        elif code == 4:
            out[i] = np.frombuffer(bytes(2) + values[2 * place : 2 * place + 2], "<f4")[0]
        else:
            four_bits = code in (6, 7, 8)
            q = values[place // 2] >> place % 2 * 4 & 15 if four_bits else values[place]
            scope, scopes = 0, table_bytes // 5
            if code == 8:
                scope = i // parameter
            elif code in (5, 7) and parameter == 1:
                scope = i // int(np.prod(shape[2:])) % shape[1]
            if code in (5, 7, 8):
                scale = struct.unpack_from("<f", table, 4 * scope)[0]
                zero_point = table[4 * scopes + scope]
                zero_point -= 256 if code == 5 and zero_point > 127 else 0
            q -= 256 if not four_bits and q > 127 else 0
            out[i] = np.float32(q - zero_point) * np.float32(scale)
    return out.reshape(shape)


@pytest.mark.parametrize("name", NAMES)
def test_frames_decode_to_what_their_bytes_mean(backend, name):
    tensor, encoding, _ = split(name)
    decoded = backend.decode(stored(name))
    expected = read_by_the_byte_table(stored(name))
    assert decoded.shape == tensor.shape
    assert np.array_equal(decoded.view(np.uint32), expected.view(np.uint32))
    if encoding in ("raw", "sparse-fp32"):
        assert np.array_equal(decoded, tensor)
    if encoding in ("fp16", "sparse-fp16"):
        with np.errstate(over="ignore"):
            assert np.array_equal(decoded, tensor.astype(np.float16).astype(np.float32))


def test_int8_values_of_a_frame(backend):
    assert backend.decode(stored("matrix-int8")).tolist() == DECODED_INT8_MATRIX
