"""From a cell to a deployment: plan, fit, calibrate, deploy; and what the result depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from coinfer.contract import Batching, Deployment
from coinfer.errors import PlanError
from coinfer.execute.profiles import method_of, profile_of, recipe_of, said, teacher_spec
from coinfer.methods import Method, Profile, Workshop
from coinfer.suite import Cell
from coinfer.training import OnProgress, TeacherArtifact, Zoo, fit_teacher


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
    steps = method_of(cell)
    workshop = Workshop(zoo, recipe_of(cell), cell.train_seed, progress)
    teacher = teacher_of(cell, progress, zoo)
    profile = profile_of(cell, teacher, workshop.zoo)
    plan = steps.fit(steps.plan(profile, cell.cluster), profile, workshop)
    return Fitted(steps, plan, profile, workshop)


def teacher_of(cell: Cell, progress: OnProgress | None, zoo: Zoo) -> TeacherArtifact:
    """Train, or find, the teacher of a cell.

    Raises
    ------
    DatasetError
        If it must be trained and the data set is missing.
    """
    how = recipe_of(cell).teacher
    return fit_teacher(cell.dataset, teacher_spec(cell), how, cell.train_seed, zoo, progress)


def _prepare(cell: Cell, progress: OnProgress | None, zoo: Zoo) -> Prepared:
    steps, plan, profile, workshop = fitted(cell, progress, zoo)
    plan = steps.calibrate(plan, profile, workshop)
    deployment = _batched(steps.deploy(plan, profile, cell.cluster), cell)
    notes = {
        **(deployment.notes or {}),
        **said(cell, deployment.predicted_latency_ns or 0),
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


def artifacts_of(cells: Iterable[Cell]) -> dict[str, str]:
    """Digests of all that prepared cells took from the zoo, by address."""
    return {a: sha256 for cell in cells for a, sha256 in prepare(cell).artifacts.items()}


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
