"""Stages as the cost table has them: what there is to measure, and what a cell made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from coinfer.cluster.cost_table import CostTable, stage_key
from coinfer.contract import INPUT, SOURCE, Deployment, Need, Stage, gate_of
from coinfer.execute.prepare import prepare
from coinfer.execute.profiles import dataset
from coinfer.runtime.runner import Runner, Value
from coinfer.suite import Cell
from coinfer.training.modules import build


class Measurable(NamedTuple):
    """A stage with a call that runs one row of it."""

    stage: Stage
    call: Callable[[], object]


def measurable_stages(cells: Sequence[Cell]) -> dict[str, Measurable]:
    """Every stage that the cells deploy to a device, by its key in the cost table.

    Stages that make one row of several (codes over requests) are left out: their MACs hold.

    Parameters
    ----------
    cells : sequence of Cell
        Their models are trained where the zoo lacks them.
    """
    runner = Runner(build, memo=False)
    found: dict[str, Measurable] = {}
    for cell in cells:
        deployment = prepare(cell).deployment
        stages = {stage.id: stage for stage in deployment.stages}
        shape = dataset(cell.dataset).info.shape
        for stage in _on_devices(deployment):
            needs = [need for need in stage.needs if gate_of(need) is None]
            over_rows = any(n.select is not None and n.select.axis == 0 for n in needs)
            if stage_key(stage) not in found and not (stage.merges_rows or over_rows):
                inputs = [_one_row(need, stages, shape) for need in needs]
                call = partial(runner.run, stage, inputs)
                found[stage_key(stage)] = Measurable(stage, call)
    return found


def costs_told(cell: Cell, deployment: Deployment, table: CostTable) -> dict[str, str]:
    """What the times of a cell rest on, in words: of its stages, and of its kernels."""
    if cell.mode == "native":
        told = "as they ran on this machine"
        return {"stage_costs": told, "kernel_costs": told}
    origin = f"table of {table.measured} ({table.machine}, {table.isa})"
    measured = {d.name for d in cell.cluster.devices if d.stage_costs == "measured"}
    keys = {stage_key(stage) for stage in _on_devices(deployment, measured)}
    spreads = [table.stages[key].spread for key in keys if key in table.stages]
    if not spreads:
        stages = "MACs"
    else:
        some = len(spreads) < len(keys)
        count = f" for {len(spreads)} of {len(keys)} stages, MACs for the others" if some else ""
        stages = f"measured ratios{count}, {origin}, spread up to {100 * max(spreads):.0f} %"
    if keys and not spreads:
        stages += "; the cost table has no stage: 'coinfer calibrate --suite SUITE -o FILE'"
    return {"stage_costs": stages, "kernel_costs": origin}


def _on_devices(deployment: Deployment, devices: set[str] | None = None) -> list[Stage]:
    """Stages that are placed on a device (on one of these), each once."""
    placed = {
        replica.stage
        for replica in deployment.replicas
        if replica.device != SOURCE and (devices is None or replica.device in devices)
    }
    return [stage for stage in deployment.stages if stage.id in placed]


def _one_row(need: Need, stages: Mapping[str, Stage], shape: tuple[int, ...]) -> Value:
    row = shape if need.stage == INPUT else stages[need.stage].output
    draws = np.random.default_rng(0)
    return Value(draws.normal(size=(1, *row)).astype(np.float32)).take(need.select)
