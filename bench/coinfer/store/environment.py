"""The machine of a run: what it is, apart from what it happened to read at the time.

Clocks and load differ from minute to minute on one machine. If they were part of its identity,
every second run would seem to come from elsewhere.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

_PACKAGES: Final = (
    "coinfer",
    "numpy",
    "torch",
    "numba",
    "scipy",
    "scikit-learn",
    "networkx",
    "pyzmq",
    "msgspec",
    "pyarrow",
)
# Instruction sets that numeric libraries choose their code by.
_ISA: Final = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_bf16"),
    *("amx_int8", "neon", "asimd", "asimddp", "asimdhp", "sve", "sve2"),
)
_FINGERPRINT: Final = ("cpu", "architecture", "isa", "torch", "numpy")
_GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Environment(msgspec.Struct, frozen=True):
    """The machine of a run.

    Attributes
    ----------
    identity : dict
        What stays: processor, instruction sets, system, versions, kernels.
    readings : dict
        What was read at the start: load, clock, governor, affinity, thread variables.
    """

    identity: dict[str, Any]
    readings: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Digest of what decides the last bits of a result: processor, ISA, torch, numpy."""
        parts = {name: self.identity.get(name) for name in _FINGERPRINT}
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]


def capture() -> Environment:
    """Look at this machine; reads only, and does not import torch."""
    return Environment(identity=_identity(), readings=_readings())


def versions() -> dict[str, str | None]:
    """Installed versions of the packages that results depend on."""
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def kernels_info() -> dict[str, Any]:
    """Ask the kernel library about itself; where it cannot be imported, say why."""
    try:
        info = importlib.import_module("coinfer_kernels").info()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    # As it will be read back: tuples become lists here, not on the way through the file.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(info))
    return plain


def governor() -> str | None:
    """Frequency governor of the first core; None where the system does not tell."""
    try:
        return _GOVERNOR.read_text().strip()
    except OSError:
        return None


def affinity() -> list[int] | None:
    """Cores that this process may use; None where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _identity() -> dict[str, Any]:
    import cpuinfo
    import psutil

    cpu = cpuinfo.get_cpu_info()
    flags = set(cpu.get("flags", ()))
    packages = versions()
    return {
        "cpu": cpu.get("brand_raw", platform.processor() or "unknown"),
        "architecture": platform.machine(),
        "isa": [name for name in _ISA if name in flags],
        "cores_logical": psutil.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "torch": packages["torch"],
        "numpy": packages["numpy"],
        "packages": packages,
        "kernels": kernels_info(),
    }


def _readings() -> dict[str, Any]:
    import psutil

    clock = psutil.cpu_freq()
    return {
        "load_1min": psutil.getloadavg()[0],
        "clock_mhz": clock.current if clock else None,
        "memory_available_bytes": psutil.virtual_memory().available,
        "governor": governor(),
        "affinity": affinity(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
    }
