"""Files and folders that are there whole or not at all, also after a kill or a power cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_ASIDE = ".tmp-"


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder aside and rename it into place; an older one of that name is replaced."""
    aside = target.with_name(f"{_ASIDE}{target.name}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, data in files.items():
        _write_through(aside / name, data)
    _sync_folder(aside)
    if target.exists():
        # A rename cannot replace a folder with something in it. A kill between the two renames
        # leaves no cell, which the next run does again: never a mixture.
        old = target.with_name(f"{aside.name}-old")
        target.rename(old)
        aside.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        aside.rename(target)
    _sync_folder(target.parent)


def write_file(target: Path, data: bytes) -> None:
    """Write a file aside and rename it into place."""
    aside = target.with_name(f"{_ASIDE}{target.name}-{os.getpid()}")
    _write_through(aside, data)
    aside.replace(target)
    _sync_folder(target.parent)


def clear_aside(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for left in folder.glob(f"{_ASIDE}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def is_aside(path: Path) -> bool:
    """Whether a path is something half-written."""
    return path.name.startswith(_ASIDE)


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
