"""The native back end: C++ compiled for several instruction sets, one of them chosen at load."""

from __future__ import annotations

from ..errors import BackendError
from .protocol import Backend


def create(isa: str | None = None) -> Backend:
    raise BackendError("not built yet")
