"""Numba loops."""

from ..errors import BackendError
from .protocol import Backend


def create() -> Backend:
    """Not there yet."""
    raise BackendError("being written")
