"""Reads pickles that hold arrays, lists and strings, and refuses all that could run code."""

from __future__ import annotations

import _codecs
import io
import pickle
from typing import Any

import numpy as np

from coinfer.errors import DatasetError

# What a pickled array names. NumPy 2 renamed `numpy.core`; `_reconstruct` is private, so it is
# taken from what an array says of itself. Python 3 writes bytes for Python 2 by `_codecs.encode`.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _codecs.encode,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]


def arrays_only(content: bytes, name: str) -> Any:
    """Unpickle plain values and NumPy arrays; strings of Python 2 become bytes.

    Parameters
    ----------
    content : bytes
    name : str
        For error messages.

    Raises
    ------
    DatasetError
        If the pickle names anything but the few functions that arrays are rebuilt with, or is
        damaged.
    """
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise DatasetError(f"{name} is refused: {error}, and it may hold only arrays") from error
    except (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError) as error:
        raise DatasetError(f"{name} cannot be unpickled ({error}); fetch it again") from error
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{name} cannot be unpickled ({error}); fetch it again") from error
