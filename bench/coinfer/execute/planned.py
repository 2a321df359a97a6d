"""What a cell comes to before anything is trained: whether it can be planned, and the plan."""

from __future__ import annotations

from typing import Any

from coinfer.cluster.workload import SEARCH
from coinfer.errors import PlanError, UsageError
from coinfer.execute.profiles import (
    dataset,
    method_of,
    profile_of,
    recipe_of,
    said,
    stand_in,
    teacher_spec,
)
from coinfer.models import canonical_sha256
from coinfer.runtime.boards.crew import entrance
from coinfer.runtime.boards.keys import KeyFolder
from coinfer.suite import Cell
from coinfer.training import Zoo, fit_teacher, teacher_inputs
from coinfer_kernels import backend
from coinfer_kernels.errors import BackendError


def check(cell: Cell) -> None:
    """Refuse a cell that cannot be planned, or whose test images are missing; trains nothing.

    Raises
    ------
    PlanError
        If no feasible plan exists.
    DatasetError
        If the images cannot be found.
    UsageError
        If the back end of the kernels does not work here, or keys for its boards are missing.
    """
    try:
        backend.load(cell.kernels)
    except BackendError as error:
        others = ", ".join(backend.available())
        raise UsageError(
            f"kernels = {cell.kernels!r}: {error}; what works here: {others} (-a kernels=NAME)"
        ) from None
    if cell.workload.rate_rps == SEARCH and cell.mode != "virtual":
        raise UsageError(
            f"{cell.key}: rate_rps = {SEARCH!r} is for virtual time, where a rate gives the same "
            f"shares again; search there (-a mode=virtual), then run {cell.mode!r} at that rate"
        )
    if cell.mode == "native" and cell.cluster.boards is not None:
        entrance(cell.cluster.boards, KeyFolder())
    dataset(cell.dataset)
    method_of(cell).plan(profile_of(cell, stand_in(cell)), cell.cluster)


def plan_notes(cell: Cell) -> dict[str, Any]:
    """What the planner has to say about a cell; trains nothing.

    Raises
    ------
    PlanError
        If no feasible plan exists, or the teacher, whose filters are cut, is not trained yet.
    """
    spec, how = teacher_spec(cell), recipe_of(cell)
    address = canonical_sha256(teacher_inputs(cell.dataset, spec, how.teacher, cell.train_seed))
    zoo = Zoo()
    if zoo.get(address) is None:
        raise PlanError(
            f"no teacher {spec.name} of recipe {how.name!r} and seed {cell.train_seed} in the "
            "zoo, and planning cuts its filters; run 'coinfer train SUITE' first"
        )
    teacher = fit_teacher(cell.dataset, spec, how.teacher, cell.train_seed, zoo)
    plan = method_of(cell).plan(profile_of(cell, teacher, zoo), cell.cluster)
    return {**plan.describe(), **said(cell, plan.predicted_ns)}
