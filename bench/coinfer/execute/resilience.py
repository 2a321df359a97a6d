"""What is known of a deployment beside its runs: its price, and how it stands failures."""

from __future__ import annotations

from typing import Any

from coinfer.contract import SOURCE
from coinfer.execute.cell import test_images
from coinfer.execute.prepare import Prepared, deployment_key
from coinfer.metrics.resilience import resilience_figures
from coinfer.runtime.runner import Runner
from coinfer.runtime.survivors import Survivors
from coinfer.suite import Cell
from coinfer_kernels import backend

_KNOWN: dict[Any, dict[str, Any]] = {}


def statics(cell: Cell, prepared: Prepared, runner: Runner) -> dict[str, Any]:
    """Figures that hold for every run of a deployment.

    Failures are told of deployments in which order is all of time (no early exits, no stages
    between devices), on the test images of the cell's data set.
    """
    key = (deployment_key(cell), cell.kernels)
    if key not in _KNOWN:
        _KNOWN[key] = {**_price(prepared), **_resilience(cell, prepared, runner)}
    return _KNOWN[key]


def total_macs(prepared: Prepared) -> int:
    """MACs of one row on all replicas, the source's among them."""
    stages = {stage.id: stage for stage in prepared.deployment.stages}
    return sum(stages[r.stage].macs for r in prepared.deployment.replicas)


def _price(prepared: Prepared) -> dict[str, Any]:
    """What all replicas take together; the price of redundancy is in comparing it."""
    stages = {stage.id: stage for stage in prepared.deployment.stages}
    held: dict[str, list[str]] = {}
    for replica in prepared.deployment.replicas:
        held.setdefault(replica.device, []).append(replica.stage)
    memory_bytes = sum(
        sum(stages[s].weights_bytes for s in names) + max(stages[s].activation_bytes for s in names)
        for device, names in held.items()
        if device != SOURCE
    )
    predicted_ns = prepared.deployment.predicted_latency_ns
    return {
        "peak_memory_bytes": prepared.peak_memory_bytes,
        "total_macs": total_macs(prepared),
        "total_memory_bytes": memory_bytes,
        "predicted_latency_ms": None if predicted_ns is None else predicted_ns / 1e6,
        "teacher_accuracy": prepared.notes["teacher_test_accuracy"],
    }


def _resilience(cell: Cell, prepared: Prepared, runner: Runner) -> dict[str, Any]:
    if not Survivors.can_tell(prepared.deployment):
        return {}
    images, labels = test_images(cell.dataset)
    survivors = Survivors(
        prepared.deployment, images, cell.encoding, backend.load(cell.kernels), runner
    )
    return resilience_figures(cell.cluster, survivors.answers, labels, survivors.parts())
