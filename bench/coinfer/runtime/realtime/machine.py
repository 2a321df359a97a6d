"""Whether this machine can hide what devices really compute behind what they are modelled to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from coinfer.errors import ExecutionError
from coinfer.runtime.realtime import threads

SOUND: Final = 0.5
"""Up to here runs were sound on a quiet machine."""

MOST: Final = 1.0
"""From here on they cannot be: work comes faster than the cores do it."""


class Machine(NamedTuple):
    """How devices sit on the machine.

    Attributes
    ----------
    pinning : {"a core each", "none"}
    threads : int
        Most that a device was seen to compute with.
    density : float
    warnings : tuple of str
    """

    pinning: str
    threads: int
    density: float
    warnings: tuple[str, ...]


def look(ready: Mapping[str, Mapping[str, Any]], *, pinned: bool, together: bool = True) -> Machine:
    """See how devices sit on the machine, from what each said when it was ready.

    Where each has a machine of its own (not `together`), threads of one are nobody else's matter:
    the one that encrypts is at work there too.
    """
    warnings = [] if pinned else ["pinning: none: fewer cores than devices + 1"]
    for name, said in ready.items() if together else ():
        warnings += threads.warnings(name, said)
    return Machine(
        "a core each" if pinned else "none",
        max((said["threads"] for said in ready.values()), default=1),
        density(ready.values()),
        tuple(warnings),
    )


def density(ready: Iterable[Mapping[str, Any]]) -> float:
    """Real compute of one row on all devices, by core, over the shortest modelled one.

    Parameters
    ----------
    ready : iterable of mapping
        What each device measured when it warmed up: ``real_ns`` and ``modelled_ns`` of one row.

    Examples
    --------
    >>> one = {"real_ns": cores() * 2_000_000, "modelled_ns": 10_000_000}
    >>> density([one, one])
    0.4
    """
    working = [r for r in ready if r["modelled_ns"] > 0]
    if not working:
        return 0.0
    real_ns = sum(r["real_ns"] for r in working)
    return float(real_ns / cores() / min(r["modelled_ns"] for r in working))


def check(found: float, *, allow: bool) -> list[str]:
    """Refuse a run that cannot be sound, unless that is allowed; returns warnings.

    Raises
    ------
    ExecutionError
        If the density is above `MOST`.
    """
    much = (
        f"density {found:.2f}: all devices together compute {found:.2f} times as long on "
        f"{cores()} cores as the quickest of them is modelled to take"
    )
    if found > MOST and not allow:
        raise ExecutionError(
            f"{much}, so real time cannot keep up; run the cell in virtual time (--mode virtual), "
            "or anyway with --allow-oversubscribed: the verdict will be UNTRUSTWORTHY"
        )
    if found > SOUND:
        return [f"{much}; up to {SOUND} is sound"]
    return []


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
