"""How many threads of this process compute: seen by the processor time that each has used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

AT_LEAST_NS: Final = 1_000_000
"""Threads that used less have not computed: sockets and heartbeats do."""

SHARE: Final = 0.1
"""Of the busiest thread's time; one that used less is a helper."""

_TASKS: Final = Path("/proc/self/task")


def used_ns() -> dict[int, int]:
    """Processor time of each thread (Linux: in nanoseconds; elsewhere as coarse as it is given)."""
    if not _TASKS.exists():
        import psutil

        return {
            t.id: round((t.user_time + t.system_time) * 1e9) for t in psutil.Process().threads()
        }
    found = {}
    for task in _TASKS.iterdir():
        try:
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except OSError:  # It has ended meanwhile, or the kernel keeps no such statistics.
            continue
    return found


def computing(before: dict[int, int], after: dict[int, int]) -> int:
    """How many threads computed in between; at least one did.

    Examples
    --------
    >>> computing({1: 0, 2: 0}, {1: 50_000_000, 2: 49_000_000, 3: 20_000})
    2
    """
    spent = [ns - before.get(thread, 0) for thread, ns in after.items()]
    bound = max(AT_LEAST_NS, SHARE * max(spent, default=0))
    return max(sum(ns >= bound for ns in spent), 1)


def account(before: dict[int, int]) -> dict[str, Any]:
    """What a device says of its threads: those seen since `before`, and what they were told."""
    import torch

    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return {
        "threads": computing(before, used_ns()),
        "torch_threads": torch.get_num_threads(),
        "omp_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "cpus": sorted(affinity),
    }


def warnings(device: str, said: Mapping[str, Any]) -> list[str]:
    """Warn of a device that computes with more than the one thread that a device has."""
    most = max(said["threads"], said["torch_threads"])
    if most == 1:
        return []
    return [
        f"device {device} computes with {most} threads (torch {said['torch_threads']}, "
        f"OMP_NUM_THREADS={said['omp_threads'] or 'unset'}): it takes cores from the others"
    ]
