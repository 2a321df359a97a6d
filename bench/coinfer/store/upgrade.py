"""Results of older schemas, brought to the present one while they are read; files stay as they are.

====== =====================================================================================
schema what it has
====== =====================================================================================
1      faults with ``kind``, ``target``, ``injected_ns``, ``detected_ns`` and ``landed`` alone
       in its first runs, and no figures of them; records without ``warm_up``
2      all of that in every cell
====== =====================================================================================

A new schema adds one function here, from the one before it, and a run of that one to
``tests/bench/store/fixtures``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

RESULT_SCHEMA: Final = 2

_Stored: TypeAlias = dict[str, Any]


def upgraded(stored: _Stored) -> _Stored:
    """Bring a stored run or cell to `RESULT_SCHEMA`, step by step."""
    while stored["schema"] < RESULT_SCHEMA:
        version = stored["schema"]
        stored = {**_STEPS[version](stored), "schema": version + 1}
    return stored


def _from_1(stored: _Stored) -> _Stored:
    notes, found = stored.get("notes", {}), stored.get("figures", {})
    if "faults" not in notes:
        return stored
    faults = [{**_FAULT, "number": n, **fault} for n, fault in enumerate(notes["faults"])]
    counted = {
        "faults_injected": sum(fault["injected_ns"] is not None for fault in faults),
        "faults_landed": sum(bool(fault["landed"]) for fault in faults),
    }
    return {
        **stored,
        "notes": {**notes, "faults": faults},
        "figures": {**counted, **found} if found else found,
    }


# What is said of a fault since it is drawn, watched and recovered from one by one.
_FAULT: Final[dict[str, Any]] = {"observed": {}, "planned": None, "recovered_ns": None}
_STEPS: Final[dict[int, Callable[[_Stored], _Stored]]] = {1: _from_1}
OLDEST: Final = min(_STEPS)
