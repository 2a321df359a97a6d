"""The back ends: what each must provide, which there are, and how to get one.

A back end is an object with the functions of `Backend`. All of them write interchangeable frames
and pass the same conformance suite; they differ in speed and in the last bits of the scores.

============= ==================================================================
``native``    C++ through pybind11, one body for each instruction set
``numba``     loops compiled when first called; needs numba
``reference`` NumPy in float64: the definition of every result
============= ==================================================================

``COINFER_KERNELS`` forces one of them for the module-level functions, ``COINFER_ISA`` an
instruction set of the native one. Without it the first that works is taken, in this order.
"""

from __future__ import annotations

from .protocol import Backend
from .select import NAMES, available, load, selected

__all__ = ["NAMES", "Backend", "available", "load", "selected"]
