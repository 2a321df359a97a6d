"""One cell: its scenario, and a run of it in the mode it asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

import coinfer_datasets
from coinfer.cluster import arrivals_ns, expand, items
from coinfer.cluster.cost_table import load_cost_table
from coinfer.cluster.workload import SEARCH
from coinfer.contract import FloatArray
from coinfer.execute.drift import drift
from coinfer.execute.prepare import Prepared
from coinfer.execute.rate_search import highest_rate
from coinfer.metrics.fidelity import emulation_error, judge
from coinfer.metrics.quality import answered_in_time
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.record import Outcome
from coinfer.runtime.reference import reference_kernel, speed_ns
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer.suite import Cell
from coinfer.training import Zoo
from coinfer.training.modules import build
from coinfer_kernels import backend

OnRequest = Callable[[int], None]


def scenario(cell: Cell, prepared: Prepared) -> Scenario:
    """Everything that a run of the cell depends on."""
    images, labels = test_images(cell.dataset)
    workload = cell.workload
    # A repeat is the same cell again: the same to the byte in virtual time, and elsewhere with
    # other luck on the links that are emulated.
    luck = 0 if cell.mode == "virtual" else cell.repeat
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
        seed=cell.run_seed + 1_000_003 * luck,
        timeline=cell.timeline,
    )


class Ran(NamedTuple):
    """What a cell came to.

    Attributes
    ----------
    outcome : Outcome
    figures : dict
        What its records do not tell.
    notes : dict
    """

    outcome: Outcome
    figures: dict[str, Any]
    notes: dict[str, Any]


def run_cell(cell: Cell, prepared: Prepared, runner: Runner, on_request: OnRequest) -> Ran:
    """Run one cell; where its rate is to be found, at every rate that the search asks for.

    Parameters
    ----------
    cell : Cell
    prepared : Prepared
    runner : Runner
        For virtual time; shared by the cells of a worker.
    on_request : callable
        Told the number of each request as it starts.
    """
    if cell.workload.rate_rps == SEARCH:
        return _at_highest_rate(cell, prepared, runner, on_request)
    if cell.mode == "native" and cell.cluster.boards is not None:
        return _on_boards(cell, prepared, runner, on_request)
    return Ran(_outcome(cell, prepared, runner, on_request), {}, {})


def _on_boards(cell: Cell, prepared: Prepared, runner: Runner, on_request: OnRequest) -> Ran:
    """The run on real boards, and how far from it the cell is when it is emulated."""
    given = scenario(cell, prepared)
    driver = RealtimeDriver(
        given, build, dilated=False, on_request=on_request, weights=Zoo().content
    )
    outcome = driver.run()
    emulated = VirtualDriver(given._replace(timeline=()), runner).run()
    error = emulation_error(outcome, emulated)
    return Ran(outcome, {"emulation": error}, {"boards": driver.boards})


def _outcome(cell: Cell, prepared: Prepared, runner: Runner, on_request: OnRequest) -> Outcome:
    given = scenario(cell, prepared)
    if cell.mode == "virtual":
        return VirtualDriver(given, runner, on_request).run()
    dilated = cell.mode == "realtime"
    kernel = reference_kernel()
    before_ns = speed_ns(kernel)
    outcome = RealtimeDriver(
        given,
        build,
        dilated=dilated,
        on_request=on_request,
        allow_oversubscribed=cell.allow_oversubscribed,
    ).run()
    if outcome.fidelity is None:
        return outcome
    changed = drift(before_ns, speed_ns(kernel))
    replay = VirtualDriver(given._replace(timeline=()), runner).run()
    return msgspec.structs.replace(outcome, fidelity=judge(outcome, replay, changed))


def _at_highest_rate(cell: Cell, prepared: Prepared, runner: Runner, on_request: OnRequest) -> Ran:
    """The run at the highest rate that holds; where none does, that at the lowest."""
    workload = cell.workload
    wanted, precision = workload.share_in_time, workload.precision
    assert wanted is not None
    assert precision is not None
    last: Outcome | None = None
    held: Outcome | None = None

    def share_at(rate_rps: float) -> float:
        nonlocal last, held
        last = _outcome(_at_rate(cell, rate_rps), prepared, runner, on_request)
        counted = [r for r in last.records if not r.warm_up]
        share = answered_in_time(counted, cell.deadline_ms) / len(counted)
        if share >= wanted:
            held = last
        return share

    found = highest_rate(share_at, wanted, cell.deadline_ms / 1e3, workload.requests, precision)
    outcome = held or last
    assert outcome is not None, "a search runs at least one rate"
    if found.problem is not None:
        share = f"{100 * wanted:g} % within {cell.deadline_ms:g} ms"
        warning = f"max_rate_rps: {found.problem} {share}"
        outcome = msgspec.structs.replace(outcome, warnings=(*outcome.warnings, warning))
    return Ran(
        outcome,
        {"max_rate_rps": found.rate_rps},
        {"rate_search": [tried._asdict() for tried in found.tried]},
    )


def _at_rate(cell: Cell, rate_rps: float) -> Cell:
    workload = msgspec.structs.replace(
        cell.workload, rate_rps=rate_rps, share_in_time=None, precision=None
    )
    return msgspec.structs.replace(cell, workload=workload)


@cache
def test_images(dataset: str) -> tuple[FloatArray, np.ndarray]:
    """Normalised test images of a data set, and their labels."""
    data = coinfer_datasets.load(dataset)
    return data.normalise(data.test.images), data.test.labels
