"""Find the back ends that work here, and choose one at import."""

from __future__ import annotations

import functools
import importlib
import os
from typing import Final, NamedTuple, cast

from ..errors import BackendError
from .protocol import Backend

_MODULES: Final = {"native": "native", "numba": "numba_loops", "reference": "reference"}
NAMES: Final = tuple(_MODULES)
"""Every back end, the preferred one first."""


class Selection(NamedTuple):
    """The back end behind the module-level functions, and why it is this one."""

    backend: Backend
    reason: str


@functools.cache
def load(name: str, isa: str | None = None) -> Backend:
    """Get a back end by its name.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    isa : str, optional
        Instruction set of the native back end: ``"sse2"``, ``"avx2"``, ``"avx512"``, ``"neon"`` or
        ``"portable"``. Without it ``COINFER_ISA`` decides, else the best one of this machine.

    Raises
    ------
    BackendError
        It is unknown, or cannot work here; the message says why.

    Examples
    --------
    >>> load("reference").encoded_size((2, 3), "raw")
    88
    """
    if name not in _MODULES:
        raise BackendError(f"unknown back end {name!r}; choose from {', '.join(NAMES)}")
    module = importlib.import_module(f".{_MODULES[name]}", __package__)
    if name == "native":
        return cast("Backend", module.create(isa))
    if isa is not None:
        raise BackendError(f"the {name} back end has no instruction sets to choose from")
    return cast("Backend", module.create())


def available() -> list[str]:
    """Names of the back ends that can be loaded here, the preferred one first."""
    return [name for name in NAMES if reason_against(name) is None]


def reason_against(name: str) -> str | None:
    """Why a back end cannot be loaded, or None when it can."""
    try:
        load(name)
    except ImportError as error:
        return str(error)
    return None


@functools.cache
def selected() -> Selection:
    """Choose the back end of the module-level functions.

    Raises
    ------
    BackendError
        ``COINFER_KERNELS`` or ``COINFER_ISA`` names something that cannot work here.
    """
    forced = os.environ.get("COINFER_KERNELS")
    if forced:
        return Selection(load(forced), "forced by COINFER_KERNELS")
    missing = []
    for name in NAMES:
        try:
            backend = load(name)
        except ImportError as error:
            if os.environ.get("COINFER_ISA") and name == "native":
                raise  # someone asked for an instruction set: do not measure something else
            missing.append(f"{name}: {error}")
        else:
            return Selection(backend, "; ".join(["the first that works", *missing]))
    raise BackendError("no back end works")  # unreachable while the reference needs NumPy alone
