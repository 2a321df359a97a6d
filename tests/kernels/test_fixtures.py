"""Committed frames freeze wire version 1: whoever changes these bytes breaks every peer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FIXTURES = Path(__file__).parent / "fixtures"
TENSORS = {
    "matrix": np.array([[0, -0.5, 1.25], [3.0e-5, 1000, -70000]], np.float32),
    "relu": np.maximum(np.linspace(-1, 3, 24, dtype=np.float32), 0).reshape(1, 2, 3, 4),
    "scalar": np.array(-2.5, np.float32),
    "empty": np.empty((0, 7), np.float32),
    "zeros": np.zeros(9, np.float32),
}
DECODED_INT8_MATRIX = [[0.0, 0.0, 0.0], [0.0, 1113.7254638671875, -69886.2734375]]


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.hex")), ids=lambda path: path.stem)
def test_frames_of_version_1(backend, path):
    name, encoding, *rest = path.stem.split("-")
    frame = bytes.fromhex(path.read_text(encoding="ascii"))
    tensor = TENSORS[name]
    assert bytes(backend.encode(tensor, encoding, crc=rest != ["nocrc"])) == frame
    decoded = backend.decode(frame)
    assert decoded.shape == tensor.shape
    if encoding == "raw":
        assert np.array_equal(decoded, tensor)
    elif encoding == "fp16":
        with np.errstate(over="ignore"):
            assert np.array_equal(decoded, tensor.astype(np.float16).astype(np.float32))


def test_all_fixtures_are_there():
    assert len(list(FIXTURES.glob("*.hex"))) == len(TENSORS) * 3 + 3


def test_int8_values_of_a_frame(backend):
    frame = bytes.fromhex((FIXTURES / "matrix-int8.hex").read_text(encoding="ascii"))
    assert backend.decode(frame).tolist() == DECODED_INT8_MATRIX
