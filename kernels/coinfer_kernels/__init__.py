"""Fast, checked kernels for cooperative inference.

Feature serialisation (`encode`, `decode`, `peek`, `encoded_size`), early-exit confidence
(`exit_scores`, `should_exit`) and feature change (`feature_change`), in three back ends that give
the same results: see `coinfer_kernels.backend`. The library needs NumPy alone.
"""

from __future__ import annotations

from . import backend
from ._api import (
    decode,
    encode,
    encoded_size,
    exit_scores,
    feature_change,
    info,
    peek,
    should_exit,
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
    "decode",
    "encode",
    "encoded_size",
    "exit_scores",
    "feature_change",
    "info",
    "peek",
    "should_exit",
]
