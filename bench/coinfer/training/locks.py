"""One process at a time: two that need the same model do not both train it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BusyError(Exception):
    """Another process is making what was asked for."""


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it; the system lets go of a killed one's.

    The file is removed at the end. Who waited for it then holds a file that has no name any more,
    and tries again.

    Raises
    ------
    BusyError
        If somebody holds it and this one is not to wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _locked(path, wait)
    while not _is_at(lock, path):
        os.close(lock)
        lock = _locked(path, wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _locked(path: Path, wait: bool) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise BusyError(path.stem) from None
    return lock


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
