"""From a cell to a deployment: plan, fit, calibrate, deploy; and what the result depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

import coinfer_datasets
from coinfer.cluster.workload import SEARCH
from coinfer.contract import Batching, Deployment
from coinfer.errors import PlanError, UsageError
from coinfer.methods import Method, Profile, Workshop, method
from coinfer.methods.architectures import architectures
from coinfer.models import TeacherSpec, canonical_sha256
from coinfer.planning import PARTITIONERS
from coinfer.runtime.boards.crew import entrance
from coinfer.runtime.boards.keys import KeyFolder
from coinfer.suite import Cell
from coinfer.training import (
    OnProgress,
    Recipe,
    TeacherArtifact,
    Zoo,
    fit_teacher,
    recipe,
    remembering_partitioner,
    teacher_inputs,
    user_zoo,
)
from coinfer_kernels import backend
from coinfer_kernels.errors import BackendError


class Prepared(NamedTuple):
    """A cell's deployment and what is known before it runs.

    Attributes
    ----------
    deployment : Deployment
    notes : dict
        What the planner had to say, and every parameter of the method.
    peak_memory_bytes : int
        Weights and the largest activation on the fullest device.
    artifacts : dict of str to str
        Digests of all that was taken from the zoo, by address.
    """

    deployment: Deployment
    notes: dict[str, Any]
    peak_memory_bytes: int
    artifacts: dict[str, str] = {}  # noqa: RUF012


class _Request(msgspec.Struct, frozen=True):
    """What a deployment depends on; cells that share it share the deployment."""

    base: str
    parameters: bytes
    cluster: bytes
    dataset: str
    encoding: str
    deadline_ms: float
    train_seed: int
    batch_rows: int | None
    batch_wait_ms: float | None


def deployment_key(cell: Cell) -> _Request:
    """What a cell's deployment depends on, hashable."""
    return _Request(
        base=cell.method.base,
        parameters=msgspec.json.encode(cell.method.parameters, order="sorted"),
        cluster=msgspec.json.encode(cell.cluster, order="sorted"),
        dataset=cell.dataset,
        encoding=cell.encoding,
        deadline_ms=cell.deadline_ms,
        train_seed=cell.train_seed,
        batch_rows=cell.workload.batch_rows,
        batch_wait_ms=cell.workload.batch_wait_ms,
    )


def networks_key(cell: Cell) -> _Request:
    """What the networks of a cell may depend on, hashable: not on where they run, nor how long."""
    return msgspec.structs.replace(deployment_key(cell), cluster=b"", deadline_ms=0.0)


_PREPARED: dict[_Request, Prepared] = {}


def prepare(cell: Cell, progress: OnProgress | None = None, zoo: Zoo | None = None) -> Prepared:
    """Deployment of a cell; trains what the zoo lacks.

    Parameters
    ----------
    cell : Cell
    progress : callable, optional
        Told how training goes.
    zoo : Zoo, optional
        The user's and the shipped one by default.

    Raises
    ------
    PlanError
        If no feasible plan exists, or a device cannot hold what it is given.
    DatasetError
        If something must be trained and the data set is missing.
    """
    key = deployment_key(cell)
    if key not in _PREPARED:
        _PREPARED[key] = _prepare(cell, progress, zoo or Zoo())
    return _PREPARED[key]


class Fitted(NamedTuple):
    """A cell's plan with its models, and what it was made from."""

    steps: Method[Any]
    plan: Any
    profile: Profile
    workshop: Workshop


def fitted(cell: Cell, progress: OnProgress | None, zoo: Zoo) -> Fitted:
    """Plan a cell and train, or find, what the plan needs; no thresholds are set.

    Raises
    ------
    PlanError
        If no feasible plan exists.
    DatasetError
        If something must be trained and the data set is missing.
    """
    steps = _method(cell)
    how = _recipe(cell)
    workshop = Workshop(zoo, how, cell.train_seed, progress)
    teacher = fit_teacher(
        cell.dataset,
        _teacher_spec(cell),
        how.teacher,
        cell.train_seed,
        workshop.zoo,
        progress,
    )
    profile = _profile(cell, teacher, workshop.zoo)
    plan = steps.fit(steps.plan(profile, cell.cluster), profile, workshop)
    return Fitted(steps, plan, profile, workshop)


def _prepare(cell: Cell, progress: OnProgress | None, zoo: Zoo) -> Prepared:
    steps, plan, profile, workshop = fitted(cell, progress, zoo)
    plan = steps.calibrate(plan, profile, workshop)
    deployment = _batched(steps.deploy(plan, profile, cell.cluster), cell)
    notes = {
        **(deployment.notes or {}),
        **_said(cell, deployment.predicted_latency_ns or 0),
        "teacher_test_accuracy": profile.teacher.test_accuracy,
    }
    # Teachers' answers to whole training sets are needed no more.
    artifacts = {
        address: found.weights_sha256
        for address, found in zoo.used.items()
        if found.inputs["what"] != "views"
    }
    return Prepared(deployment, notes, _peak_memory_bytes(cell, deployment), artifacts)


def _batched(deployment: Deployment, cell: Cell) -> Deployment:
    """The deployment with the batching that the workload asks for, if it does."""
    rows, wait_ms = cell.workload.batch_rows, cell.workload.batch_wait_ms
    if rows is None and wait_ms is None:
        return deployment
    batching = deployment.batching
    if batching.eager:
        raise PlanError(
            f"{cell.method.variant}: batch_rows and batch_wait_ms are not for a method that codes "
            f"over groups of {batching.rows} requests; leave them out"
        )
    batching = Batching(
        rows=batching.rows if rows is None else rows,
        wait_ns=batching.wait_ns if wait_ms is None else round(wait_ms * 1e6),
    )
    return dataclasses.replace(deployment, batching=batching)


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
    _method(cell).plan(_profile(cell, _stand_in(cell)), cell.cluster)


def plan_notes(cell: Cell) -> dict[str, Any]:
    """What the planner has to say about a cell; trains nothing.

    Raises
    ------
    PlanError
        If no feasible plan exists, or the teacher, whose filters are cut, is not trained yet.
    """
    spec, how = _teacher_spec(cell), _recipe(cell)
    address = canonical_sha256(teacher_inputs(cell.dataset, spec, how.teacher, cell.train_seed))
    zoo = Zoo()
    if zoo.get(address) is None:
        raise PlanError(
            f"no teacher {spec.name} of recipe {how.name!r} and seed {cell.train_seed} in the "
            "zoo, and planning cuts its filters; run 'coinfer train SUITE' first"
        )
    teacher = fit_teacher(cell.dataset, spec, how.teacher, cell.train_seed, zoo)
    plan = _method(cell).plan(_profile(cell, teacher, zoo), cell.cluster)
    return {**plan.describe(), **_said(cell, plan.predicted_ns)}


def train(cells: Sequence[Cell], on_progress: OnProgress, *, anew: bool = False) -> None:
    """Train every model that the cells need and the zoo lacks.

    Parameters
    ----------
    cells : sequence of Cell
    on_progress : callable
        Told where each training stands.
    anew : bool
        Leave out what comes with the package: only the user's own zoo counts.
    """
    zoo = Zoo(shipped=user_zoo()) if anew else Zoo()
    for cell in cells:
        prepare(cell, on_progress, zoo)


def artifacts_of(cells: Iterable[Cell]) -> dict[str, str]:
    """Digests of all that prepared cells took from the zoo, by address."""
    return {a: sha256 for cell in cells for a, sha256 in prepare(cell).artifacts.items()}


@cache
def dataset(name: str) -> coinfer_datasets.Dataset:
    """Data set by name, loaded once."""
    return coinfer_datasets.load(name)


def _method(cell: Cell) -> Method[Any]:
    kind = method(cell.method.base)
    return kind(msgspec.convert(cell.method.parameters, kind.Parameters))


def _said(cell: Cell, predicted_ns: int) -> dict[str, Any]:
    """What is noted of every plan."""
    return {
        "parameters": cell.method.parameters,
        "recipe": _recipe(cell).name,
        "predicted_latency_ms": predicted_ns / 1e6,
    }


def _recipe(cell: Cell) -> Recipe:
    name = cell.method.parameters["recipe"]
    base = coinfer_datasets.info(cell.dataset).base
    if name == "auto":
        name = "smoke" if base == "digits" else "quickstart"
    return recipe(name, base)


def _teacher_spec(cell: Cell) -> TeacherSpec:
    return architectures(coinfer_datasets.info(cell.dataset).base).teacher


def _profile(cell: Cell, teacher: TeacherArtifact, zoo: Zoo | None = None) -> Profile:
    networks = architectures(coinfer_datasets.info(cell.dataset).base)
    cuts = PARTITIONERS
    if zoo is not None:
        cuts = {rule: remembering_partitioner(teacher, rule, zoo) for rule in PARTITIONERS}
    return Profile(
        dataset=cell.dataset,
        teacher=teacher,
        # A cell that was stored before the parameter was there does not say it.
        students=networks.students(cell.method.parameters.get("students", "pair")),
        encoding=cell.encoding,
        deadline_ns=round(cell.deadline_ms * 1e6),
        partitioners=cuts,
    )


def _stand_in(cell: Cell) -> TeacherArtifact:
    """A teacher of the right size with a featureless activation graph: enough to check a plan."""
    info = coinfer_datasets.info(cell.dataset)
    spec = _teacher_spec(cell)
    filters = round(4 * spec.first_channels * spec.width)
    graph = np.ones((filters, filters), np.float32) - np.eye(filters, dtype=np.float32)
    return TeacherArtifact(
        dataset=info.base,
        spec=spec,
        shape=info.shape,
        classes=len(info.classes),
        filters=filters,
        train_seed=cell.train_seed,
        address="",
        weights_sha256="",
        validation_accuracy=0.0,
        test_accuracy=0.0,
        activation_graph=graph,
    )


def _peak_memory_bytes(cell: Cell, deployment: Deployment) -> int:
    """Fullest device: weights of all its stages and the largest activation among them.

    Raises
    ------
    PlanError
        If a device has less memory than that.
    """
    rows = deployment.batching.rows
    stages = {s.id: s for s in deployment.stages}
    most = 0
    for device in cell.cluster.devices:
        held = [stages[r.stage] for r in deployment.replicas if r.device == device.name]
        if not held:
            continue
        need = sum(s.weights_bytes for s in held) + rows * max(s.activation_bytes for s in held)
        if need > device.memory_bytes:
            raise PlanError(
                f"{cell.method.variant}: device {device.name} would need {need} bytes and has "
                f"memory_bytes = {device.memory_bytes}"
            )
        most = max(most, need)
    return most
