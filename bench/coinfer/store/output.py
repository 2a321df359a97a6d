"""The folder that gets one folder a run: whether it can be written, and a new one in it."""

from __future__ import annotations

import os
from pathlib import Path

from coinfer.errors import UsageError


def check_writable(output: Path) -> None:
    """Refuse an output folder that cannot be written, before any work starts.

    Nothing is left behind, and no folder is made: the nearest one that exists is tried.

    Raises
    ------
    UsageError
    """
    nearest = output.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(f"{output}: cannot be written: {nearest} is no folder")
    probe = nearest / f".coinfer-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise unwritable(output, error) from None


def unwritable(path: Path, error: OSError) -> UsageError:
    """Say that results cannot go to a folder, and what to do."""
    return UsageError(f"{path}: cannot be written: {error.strerror}; choose another with -o")


def fresh_folder(output: Path, stem: str) -> Path:
    """Make a new folder; two runs started within a second get two."""
    output.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = output / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path
