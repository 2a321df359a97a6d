"""Fits heads that answer from any subset of the portions, or finds them in the zoo.

The students stay as they are: their portions of the training images are computed once, and the
head alone is trained on them while random partitions are missing [ours].
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

import coinfer_datasets
from coinfer.models import AnySubsetHead, JointModel, builtins, state_tensors
from coinfer.training.artifacts import Artifact
from coinfer.training.images import Pictures, generator
from coinfer.training.joint import JointArtifact, load_joint
from coinfer.training.loop import (
    OnProgress,
    Progress,
    accuracy,
    fit,
    initialise,
    left_s,
    outputs,
)
from coinfer.training.losses import answer_terms
from coinfer.training.provenance import provenance
from coinfer.training.recipe import Recipe, SubsetHeadRecipe
from coinfer.training.teacher import VERSION, TeacherArtifact
from coinfer.training.views import Views, teacher_views
from coinfer.training.zoo import Zoo

_VALIDATION_ROUNDS = 8


@dataclass(frozen=True)
class SubsetHeadArtifact:
    """A trained head.

    Attributes
    ----------
    hidden : int
        Units of its hidden layer.
    address, weights_sha256 : str
        Its place in the zoo.
    validation_accuracy : tuple of float
        With 1, 2, …, K survivors drawn at random; shares of 1.
    """

    hidden: int
    address: str
    weights_sha256: str
    validation_accuracy: tuple[float, ...]


class Portions(NamedTuple):
    """What frozen students make of images.

    Attributes
    ----------
    features : Tensor of float32, shape (N, F)
        Concatenated portions of the last exit.
    labels : Tensor of int64, shape (N,)
    """

    features: Tensor
    labels: Tensor


def subset_head_inputs(
    joint: JointArtifact, recipe: SubsetHeadRecipe, train_seed: int
) -> dict[str, Any]:
    """Return what decides a head's weights, and so its address."""
    return {
        "what": "any-subset",
        "version": VERSION,
        "data": coinfer_datasets.info(joint.dataset).identity,
        "joint": joint.weights_sha256,
        "recipe": builtins(recipe),
        "train_seed": train_seed,
    }


def fit_subset_head(
    joint: JointArtifact,
    teacher: TeacherArtifact,
    recipe: Recipe,
    train_seed: int,
    zoo: Zoo,
    progress: OnProgress | None = None,
    data_dir: str | None = None,
) -> SubsetHeadArtifact:
    """Return the head from the zoo, or train it and put it there.

    Of the epochs the one is kept whose mean accuracy over all numbers of survivors is best on the
    validation split.

    Parameters
    ----------
    joint : JointArtifact
        The students; they do not change.
    teacher : TeacherArtifact
        Theirs.
    recipe : Recipe
        Its part for the head, and that for the students for the views.
    train_seed : int
    zoo : Zoo
    progress : callable, optional
    data_dir : str, optional

    Raises
    ------
    DatasetError
        If it must be trained and the data set is missing.
    ArtifactError
        If the stored one, or the students, are damaged.
    """
    how = recipe.subset_head
    inputs = subset_head_inputs(joint, how, train_seed)

    def train() -> Artifact:
        data = coinfer_datasets.load(joint.dataset, data_dir)
        views = teacher_views(data, teacher, recipe.students, zoo, progress)
        return _train(inputs, joint, how, data, views, zoo, progress)

    found = zoo.find_or_make(inputs, train)
    return SubsetHeadArtifact(
        hidden=how.hidden,
        address=found.address,
        weights_sha256=found.weights_sha256,
        validation_accuracy=tuple(found.record["validation_accuracy"]),
    )


def random_survivors(rows: int, partitions: int, draws: torch.Generator) -> Tensor:
    """Draw which portions are there: a uniform number from 1 to K, then a uniform subset.

    Returns
    -------
    Tensor of bool, shape (rows, partitions)
    """
    count = torch.randint(1, partitions + 1, (rows, 1), generator=draws)
    return torch.rand(rows, partitions, generator=draws).argsort(dim=1) < count


def _train(
    inputs: Mapping[str, Any],
    joint: JointArtifact,
    recipe: SubsetHeadRecipe,
    data: coinfer_datasets.Dataset,
    views: Views,
    zoo: Zoo,
    progress: OnProgress | None,
) -> Artifact:
    spec, seed = joint.spec, inputs["train_seed"]
    students = load_joint(joint, zoo)
    kept = min(recipe.views, len(views.down))
    what = f"any-subset head of {joint.address[:6]}, seed {seed}"
    features = _training_features(students, data, views, kept, f"portions for the {what}", progress)
    labels = torch.from_numpy(data.train.labels).repeat(kept)
    teacher_logits = views.logits[:kept].flatten(0, 1)
    sizes = torch.tensor(spec.filters)

    head = AnySubsetHead(spec.features, len(sizes), spec.classes, recipe.hidden)
    initialise(head, seed)

    def loss(which: Tensor, _: int, draws: torch.Generator) -> dict[str, Tensor]:
        present = random_survivors(len(which), len(sizes), draws)
        seen = features[which] * present.repeat_interleave(sizes, dim=1)
        return answer_terms(
            head(seen, present.float()),
            labels[which],
            teacher_logits[which].float(),
            alpha=recipe.alpha,
            temperature=recipe.temperature,
        )

    held_out = portions_of(students, data, "validation")
    best: tuple[float, list[float], dict[str, Tensor]] = (-1.0, [], {})

    def judge() -> None:
        nonlocal best
        reached = _by_survivors(head, held_out, sizes)
        mean = sum(reached) / len(reached)
        if mean > best[0]:
            best = (mean, reached, state_tensors(head))

    figures = fit(head, len(labels), loss, recipe.schedule, seed, what, progress, after_epoch=judge)
    record = {
        "validation_accuracy": best[1],
        "training": figures,
        "provenance": provenance(),
        "joint": joint.address,
    }
    return zoo.put(inputs, best[2], record)


def portions_of(students: JointModel, data: coinfer_datasets.Dataset, split: str) -> Portions:
    """Run frozen students over the plain images of a split."""
    images = data.split(split)
    pictures = Pictures(torch.from_numpy(images.images), data.info, 0)
    features = [torch.cat(out.portions[-1], dim=1) for out in outputs(students, pictures)]
    return Portions(torch.cat(features), torch.from_numpy(images.labels))


def _training_features(
    students: JointModel,
    data: coinfer_datasets.Dataset,
    views: Views,
    kept: int,
    what: str,
    progress: OnProgress | None,
) -> Tensor:
    """Portions of the first views of the training images, shape (views · N, F)."""
    reach = int(torch.cat([views.down, views.right]).abs().max())
    pictures = Pictures(torch.from_numpy(data.train.images), data.info, reach)
    features = []
    begun = time.perf_counter()
    for v in range(kept):
        view = (int(views.down[v]), int(views.right[v]), bool(views.mirror[v]))
        batches = outputs(students, pictures, view)
        features += [torch.cat(out.portions[-1], dim=1) for out in batches]
        if progress:
            left = left_s(begun, v + 1, kept - v - 1)
            progress(Progress(what, v + 1, kept, 1, 1, {}, left))
    return torch.cat(features)


def _by_survivors(head: AnySubsetHead, held_out: Portions, sizes: Tensor) -> list[float]:
    """Accuracy with 1, 2, …, K survivors; which ones is drawn anew for every image and round."""
    rows, partitions = len(held_out.labels), len(sizes)
    reached = []
    head.eval()
    with torch.inference_mode():
        for count in range(1, partitions + 1):
            draws = generator(0, "validation survivors", count)
            shares = []
            for _ in range(_VALIDATION_ROUNDS):
                present = torch.rand(rows, partitions, generator=draws).argsort(dim=1) < count
                seen = held_out.features * present.repeat_interleave(sizes, dim=1)
                shares.append(accuracy(head(seen, present.float()), held_out.labels))
            reached.append(sum(shares) / len(shares))
    head.train()
    return reached
