"""Fits small classifiers that answer alone, or finds them in the zoo.

They are what `replicate` and `ensemble` deploy: whole networks, distilled from the same teacher
on the same views as the students of a partition, but from its answers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import coinfer_datasets
from coinfer.errors import UsageError
from coinfer.models import Classifier, TeacherSpec, builtins, canonical_sha256, state_tensors
from coinfer.training.artifacts import Artifact
from coinfer.training.images import Pictures, generator
from coinfer.training.lessons import Lessons
from coinfer.training.loop import OnProgress, accuracy, fit, initialise, outputs
from coinfer.training.losses import answer_terms
from coinfer.training.provenance import provenance
from coinfer.training.recipe import StudentRecipe
from coinfer.training.teacher import VERSION, TeacherArtifact
from coinfer.training.views import teacher_views
from coinfer.training.zoo import Zoo


@dataclass(frozen=True)
class SingleArtifact:
    """A distilled classifier.

    Attributes
    ----------
    dataset : str
        What it was trained on.
    spec : TeacherSpec
        The network; ``coinfer.models.classifier_stage`` makes a stage of it.
    shape : tuple of int
        (C, H, W) of an input row.
    classes : int
    train_seed, member : int
        Members of one seed differ in their initial weights and in the order of their batches.
    address, weights_sha256 : str
        Its place in the zoo; the network's entries lie under ``model.``.
    validation_accuracy, test_accuracy : float
        Shares of 1; the test figure is a record and chooses nothing.
    """

    dataset: str
    spec: TeacherSpec
    shape: tuple[int, int, int]
    classes: int
    train_seed: int
    member: int
    address: str
    weights_sha256: str
    validation_accuracy: float
    test_accuracy: float


def single_inputs(
    teacher: TeacherArtifact,
    spec: TeacherSpec,
    recipe: StudentRecipe,
    train_seed: int,
    member: int,
) -> dict[str, Any]:
    """Return what decides the weights, and so their address.

    Of the recipe that is all but what concerns portions and exits, which a single classifier
    has not got.
    """
    how = builtins(recipe)
    for name in ("beta", "exit_weights", "portion_dropout"):
        del how[name]
    return {
        "what": "single",
        "version": VERSION,
        "dataset": teacher.dataset,
        "data": coinfer_datasets.info(teacher.dataset).identity,
        "teacher": teacher.weights_sha256,
        "spec": builtins(spec),
        "recipe": how,
        "train_seed": train_seed,
        "member": member,
    }


def fit_single(
    dataset_name: str,
    teacher: TeacherArtifact,
    spec: TeacherSpec,
    recipe: StudentRecipe,
    train_seed: int,
    zoo: Zoo,
    progress: OnProgress | None = None,
    data_dir: str | None = None,
    member: int = 0,
) -> SingleArtifact:
    """Return a distilled classifier from the zoo, or train it and put it there.

    Parameters
    ----------
    dataset_name : str
        The teacher's, or a subset of it.
    teacher : TeacherArtifact
    spec : TeacherSpec
        The small network.
    recipe : StudentRecipe
        Its transfer term, exit weights and dropout do not apply.
    train_seed : int
    zoo : Zoo
    progress : callable, optional
    data_dir : str, optional
    member : int
        Number of the member of an ensemble.

    Raises
    ------
    UsageError
        If the data set is not the teacher's.
    DatasetError
        If it must be trained and the data set is missing.
    ArtifactError
        If the stored one is damaged.
    """
    base = coinfer_datasets.info(dataset_name).base
    if base != teacher.dataset:
        raise UsageError(f"the teacher was trained on {teacher.dataset}, not on {base}")
    inputs = single_inputs(teacher, spec, recipe, train_seed, member)

    def train() -> Artifact:
        data = coinfer_datasets.load(base, data_dir)
        lessons = Lessons(data, teacher_views(data, teacher, recipe, zoo, progress))
        return _train(inputs, teacher, spec, recipe, data, lessons, zoo, progress)

    found = zoo.find_or_make(inputs, train)
    return SingleArtifact(
        dataset=base,
        spec=spec,
        shape=teacher.shape,
        classes=teacher.classes,
        train_seed=train_seed,
        member=member,
        address=found.address,
        weights_sha256=found.weights_sha256,
        validation_accuracy=found.record["validation_accuracy"],
        test_accuracy=found.record["test_accuracy"],
    )


def _train(
    inputs: Mapping[str, Any],
    teacher: TeacherArtifact,
    spec: TeacherSpec,
    recipe: StudentRecipe,
    data: coinfer_datasets.Dataset,
    lessons: Lessons,
    zoo: Zoo,
    progress: OnProgress | None,
) -> Artifact:
    member: int = inputs["member"]
    seed = generator(inputs["train_seed"], "member", member).initial_seed()
    model = Classifier(spec, teacher.shape[0], teacher.classes)
    initialise(model, seed)

    def loss(which: Tensor, _: int, draws: torch.Generator) -> dict[str, Tensor]:
        lesson = lessons.draw(which, draws)
        return answer_terms(
            model(lesson.x).float(),
            lesson.labels,
            lesson.logits,
            alpha=recipe.alpha,
            temperature=recipe.temperature,
        )

    what = f"{spec.name} alone, member {member}, seed {inputs['train_seed']}"
    unfinished = zoo.unfinished(canonical_sha256(dict(inputs)))
    figures = fit(model, len(lessons), loss, recipe.schedule, seed, what, progress, unfinished)
    accuracies = {
        f"{name}_accuracy": _accuracy(model.eval(), data, name) for name in ("validation", "test")
    }
    record = {**accuracies, "training": figures, "provenance": provenance()}
    return zoo.put(inputs, state_tensors(model, "model."), record)


def _accuracy(model: Classifier, data: coinfer_datasets.Dataset, name: str) -> float:
    split = data.split(name)
    batches = outputs(model, Pictures(torch.from_numpy(split.images), data.info, 0))
    return accuracy(torch.cat(batches), torch.from_numpy(split.labels))
