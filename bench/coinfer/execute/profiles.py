"""What the method of a cell is told before it plans, and the method itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np

import coinfer_datasets
from coinfer.methods import Method, Profile, method
from coinfer.methods.architectures import architectures
from coinfer.models import TeacherSpec
from coinfer.planning import PARTITIONERS
from coinfer.suite import Cell
from coinfer.training import Recipe, TeacherArtifact, Zoo, recipe, remembering_partitioner


@cache
def dataset(name: str) -> coinfer_datasets.Dataset:
    """Data set by name, loaded once."""
    return coinfer_datasets.load(name)


def method_of(cell: Cell) -> Method[Any]:
    """Method of a cell, with its parameters."""
    kind = method(cell.method.base)
    return kind(msgspec.convert(cell.method.parameters, kind.Parameters))


def said(cell: Cell, predicted_ns: int) -> dict[str, Any]:
    """What is noted of every plan."""
    return {
        "parameters": cell.method.parameters,
        "recipe": recipe_of(cell).name,
        "predicted_latency_ms": predicted_ns / 1e6,
    }


def recipe_of(cell: Cell) -> Recipe:
    """Recipe that a cell names; ``auto`` is that of its data set."""
    name = cell.method.parameters["recipe"]
    base = coinfer_datasets.info(cell.dataset).base
    if name == "auto":
        name = "smoke" if base == "digits" else "quickstart"
    return recipe(name, base)


def teacher_spec(cell: Cell) -> TeacherSpec:
    """Teacher that students of a cell learn from, by its data set."""
    return architectures(coinfer_datasets.info(cell.dataset).base).teacher


def profile_of(cell: Cell, teacher: TeacherArtifact, zoo: Zoo | None = None) -> Profile:
    """What the method of a cell plans with.

    Parameters
    ----------
    cell : Cell
    teacher : TeacherArtifact
    zoo : Zoo, optional
        Remembers how the teacher's filters were cut.
    """
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


def stand_in(cell: Cell) -> TeacherArtifact:
    """A teacher of the right size with a featureless activation graph: enough to check a plan."""
    info = coinfer_datasets.info(cell.dataset)
    spec = teacher_spec(cell)
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
