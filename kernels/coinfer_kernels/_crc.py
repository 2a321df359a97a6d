"""CRC32C (Castagnoli, RFC 3720 appendix B.4) with NumPy.

A CRC is linear over exclusive-or: the checksum of a block is the exclusive-or of one table
entry per byte, chosen by the byte's value and its place. So a whole block is one gather.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78  # reflected 0x1EDC6F41
_BLOCK = 1024


@functools.cache
def place_tables(length: int) -> npt.NDArray[np.uint32]:
    """Tables ``[place, byte value]`` for the bytes of a block, shape ``(length, 256)``."""
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = np.where(last & 1, (last >> 1) ^ np.uint32(_POLYNOMIAL), last >> 1)
    tables = np.empty((length, 256), np.uint32)
    tables[-1] = last
    for place in range(length - 2, -1, -1):
        after = tables[place + 1]
        tables[place] = (after >> 8) ^ last[after & 0xFF]
    return tables


def crc32c(data: npt.NDArray[np.uint8], crc: int = 0) -> int:
    """Checksum of `data`, continuing from `crc`.

    Examples
    --------
    >>> hex(crc32c(np.frombuffer(b"123456789", np.uint8)))
    '0xe3069283'
    """
    state = crc ^ 0xFFFFFFFF
    tables = place_tables(_BLOCK)
    lead = len(data) % _BLOCK
    last = tables[-1]
    if lead < 4:
        for byte in data[:lead].tolist():
            state = int(last[(state ^ byte) & 0xFF]) ^ (state >> 8)
    else:
        state = _shift(state, tables[_BLOCK - lead :]) ^ _block(data[:lead], tables)
    blocks = data[lead:].reshape(-1, _BLOCK)
    for block in blocks:
        state = _shift(state, tables) ^ _block(block, tables)
    return state ^ 0xFFFFFFFF


def _block(block: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint32]) -> int:
    """Checksum of one block from a state of zero."""
    places = np.arange(_BLOCK - len(block), _BLOCK)
    return int(np.bitwise_xor.reduce(tables[places, block]))


def _shift(state: int, tables: npt.NDArray[np.uint32]) -> int:
    """Carry a state over a block of zeros: it enters like the block's first four bytes."""
    shifted = 0
    for place in range(4):
        shifted ^= int(tables[place, (state >> 8 * place) & 0xFF])
    return shifted
