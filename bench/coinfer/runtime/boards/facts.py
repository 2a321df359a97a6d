"""What a board can say of itself without any package beyond its extra."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

from coinfer.runtime.boards.notes import Facts
from coinfer.runtime.realtime.machine import cores
from coinfer_kernels import backend

SYS: Final = Path("/sys")
PROC: Final = Path("/proc")


def facts(sys: Path = SYS, proc: Path = PROC) -> Facts:
    """Look at this machine.

    Parameters
    ----------
    sys, proc : Path
        Where the kernel tells about itself (Linux); what is not there stays unknown.
    """
    governor = _read(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return Facts(
        machine=platform.machine(),
        model=_model(proc),
        cores=cores(),
        memory_bytes=_memory_bytes(),
        governor=governor or None,
        temperature_c=temperature_c(sys),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=metadata.version("torch"),
        kernels=tuple(backend.available()),
    )


def temperature_c(sys: Path = SYS) -> float | None:
    """The hottest thermal zone of this machine, or None where there is none."""
    found = []
    for zone in sys.glob("class/thermal/thermal_zone*/temp"):
        try:
            found.append(int(_read(zone)) / 1000)
        except ValueError:  # Some zones cannot be read while their device sleeps.
            continue
    return max(found, default=None)


def _model(proc: Path) -> str:
    """Name of the board by its device tree, or that of the processor."""
    board = _read(proc / "device-tree/model").rstrip("\0")
    if board:
        return board
    for line in _read(proc / "cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
