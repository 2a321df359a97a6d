"""One cell: its scenario, and a run of it in the mode it asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
import numpy as np

import coinfer_datasets
from coinfer.cluster import arrivals_ns, expand, items
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import FloatArray
from coinfer.execute.prepare import Prepared
from coinfer.metrics.fidelity import judge
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.record import Outcome
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer.suite import Cell
from coinfer.training.modules import build
from coinfer_kernels import backend

OnRequest = Callable[[int], None]


def scenario(cell: Cell, prepared: Prepared) -> Scenario:
    """Everything that a run of the cell depends on."""
    images, labels = test_images(cell.dataset)
    workload = cell.workload
    # A repeat is the same cell again; only its luck on the links differs.
    seed = cell.run_seed + 1_000_003 * cell.repeat
    picked = items(workload.requests, len(labels), cell.run_seed)
    return Scenario(
        deployment=prepared.deployment,
        cluster=cell.cluster,
        load=Load(
            images=images[picked],
            items=tuple(picked),
            labels=tuple(int(labels[i]) for i in picked),
            arrivals_ns=arrivals_ns(workload, cell.run_seed),
            deadline_ns=round(cell.deadline_ms * 1e6),
            query=workload.samples_per_query or 1,
            queue_limit=workload.queue_limit,
            drop_oldest=workload.on_overflow == "drop-oldest",
            warm_up=workload.warm_up,
        ),
        faults=expand(cell.faults, cell.cluster, cell.run_seed),
        encoding=cell.encoding,
        backend=backend.load(cell.kernels),
        costs=load_cost_table(),
        seed=seed,
        timeline=cell.timeline,
    )


def run_cell(cell: Cell, prepared: Prepared, runner: Runner, on_request: OnRequest) -> Outcome:
    """Outcome of one cell.

    Parameters
    ----------
    cell : Cell
    prepared : Prepared
    runner : Runner
        For virtual time; shared by the cells of a worker.
    on_request : callable
        Told the number of each request as it starts.
    """
    given = scenario(cell, prepared)
    if cell.mode == "virtual":
        return VirtualDriver(given, runner, on_request).run()
    dilated = cell.mode == "realtime"
    outcome = RealtimeDriver(given, build, dilated=dilated, on_request=on_request).run()
    if outcome.fidelity is None:
        return outcome
    replay = VirtualDriver(given._replace(timeline=()), runner).run()
    return msgspec.structs.replace(outcome, fidelity=judge(outcome, replay))


@cache
def test_images(dataset: str) -> tuple[FloatArray, np.ndarray]:
    """Normalised test images of a data set, and their labels."""
    data = coinfer_datasets.load(dataset)
    return data.normalise(data.test.images), data.test.labels
