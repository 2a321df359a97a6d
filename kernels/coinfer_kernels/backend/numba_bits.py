"""What the Numba loops share: how they are compiled, and the bits of float32."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..errors import BackendError

try:
    import numba
except ImportError as error:
    raise BackendError(f"numba cannot be imported: {error}") from error

VERSION: Final[str] = numba.__version__

INFINITY: Final = np.int32(0x7F800000)  # the bits of float32 infinity; those of NaN are above
LOWEST: Final = np.int32(-0x7F800001)  # ordered() of the bits of minus infinity
MAGNITUDE: Final = np.int32(0x7FFFFFFF)


@numba.njit(cache=True, inline="always")
def ordered(bits: Any) -> Any:
    """Map the bits of a float to an integer of the same order, whose maximum LLVM vectorises."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & MAGNITUDE))  # else Numba widens to int64
