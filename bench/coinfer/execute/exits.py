"""What leaving early came to: the same requests, answered by the same network without exits."""

from __future__ import annotations

import statistics
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from coinfer.cluster import FaultList, Workload
from coinfer.execute.cell import scenario
from coinfer.execute.prepare import Prepared, deployment_key, prepare
from coinfer.runtime.record import Record
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import VirtualDriver
from coinfer.suite import Cell

_NO_HURRY_MS: Final = 1e9


class _Whole(NamedTuple):
    """Every request answered by the last exit."""

    right: npt.NDArray[np.bool_]
    macs: float


_WHOLE: dict[Any, _Whole] = {}


def exit_figures(
    cell: Cell, prepared: Prepared, records: tuple[Record, ...], runner: Runner
) -> dict[str, Any]:
    """Figures of a cell whose method can exit early; empty for any other.

    The network without exits runs in virtual time, without faults and without hurry, on the same
    requests with the same encoding: what is lost by late or missing portions counts as lost.

    Parameters
    ----------
    cell : Cell
    prepared : Prepared
    records : tuple of Record
        Requests of the warm-up count nowhere.
    runner : Runner
    """
    parameters = cell.method.parameters
    if not {"rule", "target"} <= set(parameters):
        return {}
    whole = _whole(cell, runner)
    counted = [n for n, record in enumerate(records) if not record.warm_up]
    right = np.array([records[n].prediction == records[n].label for n in counted])
    full = whole.right[counted]
    tuned = prepared.notes.get("exit_rule") or {}
    macs = statistics.fmean(records[n].macs for n in counted)
    return {
        "exit_rule": parameters["rule"],
        "threshold": tuned.get("thresholds"),
        "target": parameters["target"],
        "macs_saved_fraction": 1 - macs / whole.macs,
        "accuracy_loss_points": 100 * float(full.mean() - right.mean()),
        "realised_risk": float((full & ~right).mean()),
        "ece": tuned.get("ece"),
    }


def _whole(cell: Cell, runner: Runner) -> _Whole:
    workload = Workload(kind="single-stream", requests=cell.workload.requests)
    # Nothing counts as late, and nothing is held.
    changed = {"rule": "never", "patience": 1e6, "qos": {}}
    asked_of = cell.method.parameters
    parameters = {**asked_of, **{name: changed[name] for name in changed if name in asked_of}}
    asked = msgspec.structs.replace(
        cell,
        method=msgspec.structs.replace(cell.method, parameters=parameters),
        faults=FaultList(),
        workload=workload,
        deadline_ms=_NO_HURRY_MS,
        mode="virtual",
        timeline=(),
    )
    key = (deployment_key(asked), cell.kernels, workload.requests, cell.run_seed)
    if key not in _WHOLE:
        records = VirtualDriver(scenario(asked, prepare(asked)), runner).run().records
        _WHOLE[key] = _Whole(
            np.array([record.prediction == record.label for record in records]),
            statistics.fmean(record.macs for record in records),
        )
    return _WHOLE[key]
