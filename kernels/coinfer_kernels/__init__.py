"""Fast, checked kernels for cooperative inference.

Feature serialisation (`encode`, `encode_batch`, `decode`, `gather`, `verify`, `peek`,
`encoded_size`, `crc32c`), early-exit confidence (`exit_scores`, `should_exit`, `count_agreement`)
and feature change (`feature_change`), in three back ends that give the same results: see
`coinfer_kernels.backend`. The library needs NumPy alone.
"""

from __future__ import annotations

from . import backend
from ._api import (
    count_agreement,
    crc32c,
    decode,
    encode,
    encode_batch,
    encoded_size,
    exit_scores,
    feature_change,
    gather,
    info,
    peek,
    should_exit,
    verify,
)
from ._frame import FrameInfo
from ._scores import ExitScores
from .errors import BackendError, FrameError

__all__ = [
    "BackendError",
    "ExitScores",
    "FrameError",
    "FrameInfo",
    "backend",
    "count_agreement",
    "crc32c",
    "decode",
    "encode",
    "encode_batch",
    "encoded_size",
    "exit_scores",
    "feature_change",
    "gather",
    "info",
    "peek",
    "should_exit",
    "verify",
]
