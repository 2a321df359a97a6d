"""Ending a process with all that it started: what goes on unseen would disturb the next cell."""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Final

import psutil

_PATIENCE_S: Final = 5.0
_STEP_S: Final = 0.005
_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt_orphans() -> None:
    """Have processes whose parent ends become children of this one, so that they are found (Linux).

    Without it they would go to init, as those of a daemon that forks twice.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_tree(pid: int) -> None:
    """End a process and all below it.

    It is stopped first: then it starts nothing more, and as `adopt_orphans` was called in it, what
    loses its parent on the way stays below it. What cannot be ended within some seconds, as a
    process of another user, is left.
    """
    try:
        root = psutil.Process(pid)
        root.suspend()
        end_below(root)
        root.kill()
    except psutil.NoSuchProcess:
        return


def end_below(root: psutil.Process | None = None) -> None:
    """End everything below a process; below this one unless told."""
    root = root or psutil.Process()
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        left = [child for child in root.children(recursive=True) if _lives(child)]
        if not left:
            return
        for child in left:
            _kill(child)
        time.sleep(_STEP_S)


def _lives(process: psutil.Process) -> bool:
    """Whether it runs or could; one that ended and was not waited for does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
