"""Fits students that answer together, or finds them in the zoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor

import coinfer_datasets
from coinfer.errors import UsageError
from coinfer.models import (
    JointModel,
    JointSpec,
    Partition,
    StudentSpec,
    builtins,
    canonical_sha256,
    state_tensors,
)
from coinfer.training.artifacts import Artifact
from coinfer.training.images import Pictures
from coinfer.training.lessons import Lessons
from coinfer.training.loop import OnProgress, accuracy, fit, initialise, outputs
from coinfer.training.losses import distillation_terms, weighted_sum
from coinfer.training.provenance import provenance
from coinfer.training.recipe import StudentRecipe
from coinfer.training.teacher import VERSION, TeacherArtifact
from coinfer.training.views import Views, teacher_views
from coinfer.training.zoo import Zoo


@dataclass(frozen=True)
class JointArtifact:
    """Trained students and their heads.

    Attributes
    ----------
    dataset : str
        What they were trained on.
    spec : JointSpec
        Students, portion sizes, input shape and classes: what `coinfer.models` makes stages of.
    partitions : tuple of Partition
        The teacher's filters that each student learnt.
    train_seed : int
    address, weights_sha256 : str
        Its place in the zoo.
    validation_accuracy, test_accuracy : tuple of float
        One share of 1 for each exit; the test figures are a record and choose nothing.
    """

    dataset: str
    spec: JointSpec
    partitions: tuple[Partition, ...]
    train_seed: int
    address: str
    weights_sha256: str
    validation_accuracy: tuple[float, ...]
    test_accuracy: tuple[float, ...]

    @property
    def exits(self) -> int:
        """B, the number of exits."""
        return self.spec.exits


def joint_inputs(
    teacher: TeacherArtifact,
    students: Sequence[StudentSpec],
    partitions: Sequence[Partition],
    recipe: StudentRecipe,
    train_seed: int,
) -> dict[str, Any]:
    """Return what decides the students' weights, and so their address."""
    return {
        "what": "joint",
        "version": VERSION,
        "dataset": teacher.dataset,
        "data": coinfer_datasets.info(teacher.dataset).identity,
        "teacher": teacher.weights_sha256,
        "students": [builtins(student) for student in students],
        "partitions": [list(partition) for partition in partitions],
        "recipe": builtins(recipe),
        "train_seed": train_seed,
    }


def fit_joint(
    dataset_name: str,
    teacher: TeacherArtifact,
    students: Sequence[StudentSpec],
    partitions: Sequence[Partition],
    recipe: StudentRecipe,
    train_seed: int,
    zoo: Zoo,
    progress: OnProgress | None = None,
    data_dir: str | None = None,
) -> JointArtifact:
    """Return jointly trained students from the zoo, or train them and put them there.

    Parameters
    ----------
    dataset_name : str
        The teacher's, or a subset of it.
    teacher : TeacherArtifact
    students : sequence of StudentSpec
        Student k learns ``partitions[k]``.
    partitions : sequence of Partition
        Disjoint, of filters below ``teacher.filters``.
    recipe : StudentRecipe
    train_seed : int
    zoo : Zoo
    progress : callable, optional
    data_dir : str, optional

    Raises
    ------
    UsageError
        If the partitions, the data set or the recipe do not fit the teacher and the students.
    DatasetError
        If they must be trained and the data set is missing.
    ArtifactError
        If the stored ones are damaged.
    """
    base = coinfer_datasets.info(dataset_name).base
    if base != teacher.dataset:
        raise UsageError(f"the teacher was trained on {teacher.dataset}, not on {base}")
    filters = [f for partition in partitions for f in partition]
    if len(set(filters)) < len(filters) or not set(filters) <= set(range(teacher.filters)):
        raise UsageError(f"partitions must be disjoint and below {teacher.filters} filters")
    sizes = tuple(len(partition) for partition in partitions)
    spec = JointSpec(tuple(students), sizes, teacher.shape, teacher.classes)
    if recipe.exit_weights and len(recipe.exit_weights) != spec.exits:
        raise UsageError(f"{len(recipe.exit_weights)} exit weights for {spec.exits} exits")
    if len(recipe.portion_dropout) not in (0, 1, len(students)):
        raise UsageError(
            f"{len(recipe.portion_dropout)} dropout rates for {len(students)} students"
        )
    inputs = joint_inputs(teacher, students, partitions, recipe, train_seed)
    order = sorted(range(len(students)), key=lambda k: tuple(partitions[k]))

    def train() -> Artifact:
        data = coinfer_datasets.load(base, data_dir)
        views = teacher_views(data, teacher, recipe, zoo, progress)
        return _train(inputs, spec, recipe, data, views, zoo, progress)

    def train_in_order() -> Artifact:
        # Plans for different devices may name the same pairs in another order: train them once.
        dropout = recipe.portion_dropout
        if len(dropout) > 1:
            dropout = tuple(dropout[k] for k in order)
        ordered = fit_joint(
            dataset_name,
            teacher,
            [students[k] for k in order],
            [partitions[k] for k in order],
            msgspec.structs.replace(recipe, portion_dropout=dropout),
            train_seed,
            zoo,
            progress,
            data_dir,
        )
        return _reordered(inputs, ordered, order, zoo)

    in_order = order == list(range(len(students)))
    found = zoo.find_or_make(inputs, train if in_order else train_in_order)
    return JointArtifact(
        dataset=base,
        spec=spec,
        partitions=tuple(tuple(partition) for partition in partitions),
        train_seed=train_seed,
        address=found.address,
        weights_sha256=found.weights_sha256,
        validation_accuracy=tuple(found.record["validation_accuracy"]),
        test_accuracy=tuple(found.record["test_accuracy"]),
    )


def load_joint(joint: JointArtifact, zoo: Zoo) -> JointModel:
    """Return the stored students and heads in evaluation mode."""
    model = JointModel(joint.spec)
    model.load_state_dict(dict(zoo.weights(joint.weights_sha256)))
    return model.eval()


def _reordered(
    inputs: Mapping[str, Any], ordered: JointArtifact, order: Sequence[int], zoo: Zoo
) -> Artifact:
    """Store trained students once more with student n as student ``order[n]``.

    Only names and the columns of the heads move; the network is the same.
    """
    trained = zoo.get(ordered.address)
    assert trained is not None
    tensors = {}
    for name, tensor in trained.tensors().items():
        kind, number, *rest = name.split(".")
        if kind == "students":
            tensors[".".join([kind, str(order[int(number)]), *rest])] = tensor
        elif rest == ["weight"]:
            parts = torch.split(tensor, list(ordered.spec.filters), dim=1)
            at = dict(zip(order, parts, strict=True))
            tensors[name] = torch.cat([at[k] for k in range(len(order))], dim=1)
        else:
            tensors[name] = tensor
    return zoo.put(inputs, tensors, {**trained.record, "reordered_from": ordered.address})


def _train(
    inputs: Mapping[str, Any],
    spec: JointSpec,
    recipe: StudentRecipe,
    data: coinfer_datasets.Dataset,
    views: Views,
    zoo: Zoo,
    progress: OnProgress | None,
) -> Artifact:
    seed: int = inputs["train_seed"]
    model = JointModel(spec)
    initialise(model, seed)
    lessons = Lessons(data, views)
    order = torch.tensor([f for partition in inputs["partitions"] for f in partition])
    exit_weights = recipe.exit_weights or (1.0,) * spec.exits
    dropout = torch.tensor(recipe.portion_dropout)

    def loss(which: Tensor, _: int, draws: torch.Generator) -> dict[str, Tensor]:
        lesson = lessons.draw(which, draws)
        keep = None
        if len(dropout):
            keep = torch.rand(len(which), len(spec.students), generator=draws) >= dropout
        out = model(lesson.x, keep)
        targets = torch.split(lesson.features[:, order], list(spec.filters), dim=1)
        terms = weighted_sum(
            [
                distillation_terms(
                    logits.float(),
                    lesson.labels,
                    lesson.logits,
                    [portion.float() for portion in portions],
                    targets,
                    alpha=recipe.alpha,
                    temperature=recipe.temperature,
                    beta=recipe.beta,
                )
                for logits, portions in zip(out.logits, out.portions, strict=True)
            ],
            exit_weights,
        )
        return terms._asdict()

    address = canonical_sha256(dict(inputs))
    # Plans that differ in their partitions alone may be trained at a time.
    what = f"{len(spec.students)} × {spec.students[0].name}, seed {seed} ({address[:6]})"
    unfinished = zoo.unfinished(address)
    figures = fit(model, len(lessons), loss, recipe.schedule, seed, what, progress, unfinished)
    accuracies = {
        f"{name}_accuracy": _accuracies(model.eval(), data, name) for name in ("validation", "test")
    }
    record = {**accuracies, "training": figures, "provenance": provenance()}
    return zoo.put(inputs, state_tensors(model), record)


def _accuracies(model: JointModel, data: coinfer_datasets.Dataset, name: str) -> list[float]:
    split = data.split(name)
    batches = outputs(model, Pictures(torch.from_numpy(split.images), data.info, 0))
    labels = torch.from_numpy(split.labels)
    of_exits = zip(*(batch.logits for batch in batches), strict=True)
    return [accuracy(torch.cat(logits), labels) for logits in of_exits]
