"""Bring inputs and outputs into the one form the kernels take, or refuse them clearly.

The native back end recognises this form by itself and comes here only for the rest.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._layout import MAX_DIMS
from ._scores import ExitScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    Bools = npt.NDArray[np.bool_]
    Float32 = npt.NDArray[np.float32]
    Int64 = npt.NDArray[np.int64]


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
    width = math.prod(shape[1:])
    return pair[0].reshape(shape[0], width), pair[1].reshape(shape[0], width)


def as_mask(mask: npt.ArrayLike | None, rows: int) -> Bools | None:
    """Return the mask of the rows that are still there; None means all of them."""
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise TypeError(f"mask must be an array of bool, not {array.dtype}")
    if array.shape != (rows,):
        raise ValueError(f"mask must have the shape {(rows,)}, not {array.shape}")
    _check_layout(array, "mask")
    return array


def as_labels(labels: npt.ArrayLike, name: str) -> Int64:
    """Return the labels of rows: int64, one-dimensional."""
    array = np.asarray(labels)
    if array.dtype != np.int64:
        raise TypeError(f"{name} must be an array of int64, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have the shape (rows,), not {array.shape}")
    _check_layout(array, name)
    return array


def as_label_pair(previous: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Int64, Int64]:
    """Return the labels that two exits gave the same rows."""
    pair = as_labels(previous, "previous"), as_labels(current, "current")
    if pair[0].shape != pair[1].shape:
        raise ValueError(
            f"previous {pair[0].shape} and current {pair[1].shape} must have the same shape"
        )
    return pair


def as_widths(widths: Sequence[int], frames: int) -> list[int]:
    """Return the widths of the portions that `gather` joins, one a frame."""
    checked = [operator.index(width) for width in widths]
    if len(checked) != frames:
        raise ValueError(f"{frames} frames need as many widths, not {len(checked)}")
    if any(width < 0 for width in checked):
        raise ValueError("widths must not be negative")
    return checked


def checked_portion(shape: Sequence[int], position: int, rows: int | None, width: int) -> int:
    """Return the rows of a frame that `gather` may put at `position`, or refuse its shape."""
    fits = len(shape) > 0 and math.prod(shape[1:]) == width and rows in (None, shape[0])
    if not fits:
        wanted = "any number of" if rows is None else rows
        raise ValueError(
            f"frames[{position}] must hold {wanted} rows of {width} elements, not the shape "
            f"{tuple(shape)}"
        )
    return shape[0]


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
        raise ValueError(f"out has {len(view)} bytes, but {size} are needed")
    return view[:size].cast("B")


def _check_layout(array: npt.NDArray[np.generic], name: str) -> None:
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise ValueError(f"{name} must be C-contiguous and aligned")
