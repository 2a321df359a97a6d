"""The IDX format of the MNIST family: a big-endian header, then raw bytes."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import numpy.typing as npt

from coinfer.errors import DatasetError

_UINT8 = 0x08


def parse(content: bytes, name: str, sha256: str | None = None) -> npt.NDArray[np.uint8]:
    """Parse a decompressed IDX file of unsigned bytes.

    Parameters
    ----------
    content : bytes
    name : str
        For error messages.
    sha256 : str, optional
        Expected hex digest of `content`.

    Returns
    -------
    ndarray of uint8
        Of the shape that the header states.

    Raises
    ------
    DatasetError
        If the digest differs, or the header does not fit the content.
    """
    if sha256 is not None:
        actual = hashlib.sha256(content).hexdigest()
        if actual != sha256:
            raise DatasetError(
                f"{name} is damaged or another file: its sha256 is {actual}, not {sha256}; "
                "remove it and fetch it again"
            )
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UINT8:
        raise DatasetError(f"{name} is not an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DatasetError(f"{name} ends inside its IDX header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    array = np.frombuffer(content, dtype=np.uint8, offset=start)
    if array.size != int(np.prod(shape)):
        raise DatasetError(f"{name} holds {array.size} bytes where its header states {shape}")
    return array.reshape(shape).copy()  # bytes are read-only, and PyTorch wants to own its memory
