"""One process at a time: two that need the same model do not both train it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it; the system lets go of a killed one's.

    The file is removed at the end. Who waited for it then holds a file that has no name any more,
    and tries again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _locked(path)
    while not _is_at(lock, path):
        os.close(lock)
        lock = _locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
