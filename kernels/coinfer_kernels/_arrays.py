"""Bring inputs and outputs into the one form the kernels take, or refuse them clearly.

The native back end recognises this form by itself and comes here only for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._frame import MAX_DIMS
from ._scores import ExitScores

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Float32 = npt.NDArray[np.float32]


def as_tensor(x: npt.ArrayLike, name: str = "x") -> Float32:
    """Return `x` as an aligned, C-contiguous float32 array of up to four dimensions.

    Anything NumPy can view without a copy is (torch tensors on the CPU among them); float16
    is widened.
    """
    array = np.asarray(x)
    if array.dtype not in (np.float32, np.float16):
        raise TypeError(f"{name} must be float32 or float16, not {array.dtype}")
    if array.ndim > MAX_DIMS:
        raise ValueError(f"{name} must have at most {MAX_DIMS} dimensions, not {array.ndim}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous; pass numpy.ascontiguousarray({name})")
    return np.require(array, np.float32, ["ALIGNED"])


def as_logits(logits: npt.ArrayLike) -> Float32:
    """Return logits as a float32 matrix with at least one class."""
    array = as_tensor(logits, "logits")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"logits must have the shape (rows, classes >= 1), not {array.shape}")
    return array


def as_row_pair(previous: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Float32, Float32]:
    """Return two equally shaped batches of features as matrices, one row a sample."""
    pair = as_tensor(previous, "previous"), as_tensor(current, "current")
    shape = pair[0].shape
    if shape != pair[1].shape:
        raise ValueError(f"previous {shape} and current {pair[1].shape} must have the same shape")
    if len(shape) < 2:
        raise ValueError(f"features must have the shape (rows, ...), not {shape}")
    width = int(np.prod(shape[1:]))
    return pair[0].reshape(shape[0], width), pair[1].reshape(shape[0], width)


def checked_out(
    out: npt.NDArray[np.generic], shape: tuple[int, ...], dtype: type, name: str = "out"
) -> None:
    """Refuse an output array that a kernel could not fill in place."""
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        raise TypeError(f"{name} must be an array of {np.dtype(dtype)}")
    if out.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {out.shape}")
    if not out.flags.carray:
        raise ValueError(f"{name} must be C-contiguous, aligned and writable")


def checked_scores(out: ExitScores, rows: int) -> None:
    """Refuse scores that a kernel could not fill in place."""
    if not isinstance(out, ExitScores):
        raise TypeError("out must be an ExitScores; make one with ExitScores.empty(rows)")
    for name in ExitScores._fields:
        dtype = np.int64 if name == "label" else np.float32
        checked_out(getattr(out, name), (rows,), dtype, f"out.{name}")


def checked_buffer(out: Buffer, size: int) -> memoryview:
    """Return the first `size` bytes of a writable buffer of bytes."""
    view = memoryview(out)
    if view.readonly or view.ndim != 1 or view.itemsize != 1 or not view.contiguous:
        raise ValueError("out must be a writable, contiguous, one-dimensional buffer of bytes")
    if len(view) < size:
        raise ValueError(f"out has {len(view)} bytes, the frame needs {size}")
    return view[:size].cast("B")
