"""Fits a teacher, or finds it in the zoo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

import coinfer_datasets
from coinfer.models import Classifier, TeacherSpec, builtins, canonical_sha256, state_tensors
from coinfer.planning.graph import activation_graph
from coinfer.training.artifacts import Artifact
from coinfer.training.images import Pictures
from coinfer.training.loop import OnProgress, accuracy, fit, initialise, outputs
from coinfer.training.provenance import provenance
from coinfer.training.recipe import TeacherRecipe
from coinfer.training.zoo import Zoo

# Raised when the training code changes what comes out for the same recipe.
VERSION = 1


@dataclass(frozen=True)
class TeacherArtifact:
    """A trained teacher.

    Attributes
    ----------
    dataset : str
        What it was trained on.
    spec : TeacherSpec
    shape : tuple of int
        (C, H, W) of an input row.
    classes : int
    filters : int
        F, filters of the last feature map.
    train_seed : int
    address, weights_sha256 : str
        Its place in the zoo; the network's own entries lie under ``model.``.
    validation_accuracy, test_accuracy : float
        Shares of 1; the test figure is a record and chooses nothing.
    activation_graph : ndarray of float32, shape (F, F)
        On the validation split; see `coinfer.planning.graph`.
    """

    dataset: str
    spec: TeacherSpec
    shape: tuple[int, int, int]
    classes: int
    filters: int
    train_seed: int
    address: str
    weights_sha256: str
    validation_accuracy: float
    test_accuracy: float
    activation_graph: npt.NDArray[np.float32]


def teacher_inputs(
    dataset_name: str, spec: TeacherSpec, recipe: TeacherRecipe, train_seed: int
) -> dict[str, Any]:
    """Return what decides a teacher's weights, and so its address."""
    info = coinfer_datasets.info(dataset_name)
    return {
        "what": "teacher",
        "version": VERSION,
        "dataset": info.base,
        "data": info.identity,
        "spec": builtins(spec),
        "recipe": builtins(recipe),
        "train_seed": train_seed,
    }


def fit_teacher(
    dataset_name: str,
    spec: TeacherSpec,
    recipe: TeacherRecipe,
    train_seed: int,
    zoo: Zoo,
    progress: OnProgress | None = None,
    data_dir: str | None = None,
) -> TeacherArtifact:
    """Return the teacher from the zoo, or train it and put it there.

    Parameters
    ----------
    dataset_name : str
        A subset stands for the data set that it is part of. Images are loaded only to train.
    spec : TeacherSpec
    recipe : TeacherRecipe
    train_seed : int
    zoo : Zoo
    progress : callable, optional
    data_dir : str, optional
        Where to look for the data set first.

    Raises
    ------
    DatasetError
        If it must be trained and the data set is missing.
    ArtifactError
        If the stored one is damaged.
    """
    inputs = teacher_inputs(dataset_name, spec, recipe, train_seed)
    found = zoo.find_or_make(
        inputs, lambda: _train(inputs, spec, recipe, train_seed, zoo, progress, data_dir)
    )
    return _typed(found, spec)


def load_teacher(teacher: TeacherArtifact, zoo: Zoo) -> Classifier:
    """Return the network of a stored teacher in evaluation mode."""
    model = Classifier(teacher.spec, teacher.shape[0], teacher.classes)
    weights = zoo.weights(teacher.weights_sha256)
    own = {n.removeprefix("model."): t for n, t in weights.items() if n.startswith("model.")}
    model.load_state_dict(own)
    return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _train(
    inputs: Mapping[str, Any],
    spec: TeacherSpec,
    recipe: TeacherRecipe,
    train_seed: int,
    zoo: Zoo,
    progress: OnProgress | None,
    data_dir: str | None,
) -> Artifact:
    data = coinfer_datasets.load(inputs["dataset"], data_dir)
    model = Classifier(spec, data.info.shape[0], len(data.info.classes))
    initialise(model, train_seed)
    pictures = Pictures(torch.from_numpy(data.train.images), data.info, recipe.shift_pixels)
    labels = torch.from_numpy(data.train.labels)

    def loss(which: Tensor, _: int, draws: torch.Generator) -> dict[str, Tensor]:
        batch = pictures.random_batch(which, recipe.flip, draws)
        return {"label": F.cross_entropy(model(batch), labels[which])}

    what = f"teacher {spec.name}, seed {train_seed}"
    unfinished = zoo.unfinished(canonical_sha256(dict(inputs)))
    figures = fit(
        model, len(pictures), loss, recipe.schedule, train_seed, what, progress, unfinished
    )

    model.eval()
    features = {}
    figures_of = {}
    for name in ("validation", "test"):
        split = data.split(name)
        held_out = Pictures(torch.from_numpy(split.images), data.info, 0)
        features[name] = torch.cat(outputs(model.features, held_out))
        with torch.inference_mode():
            logits = model.head(features[name])
        figures_of[f"{name}_accuracy"] = accuracy(logits, torch.from_numpy(split.labels))
    graph = activation_graph(features["validation"].numpy())
    record = {
        **figures_of,
        "shape": data.info.shape,
        "classes": len(data.info.classes),
        "filters": model.filters,
        "training": figures,
        "provenance": provenance(),
    }
    tensors = state_tensors(model, "model.") | {"activation_graph": torch.from_numpy(graph)}
    return zoo.put(inputs, tensors, record)


def _typed(found: Artifact, spec: TeacherSpec) -> TeacherArtifact:
    record = found.record
    channels, height, width = record["shape"]
    return TeacherArtifact(
        dataset=found.inputs["dataset"],
        spec=spec,
        shape=(channels, height, width),
        classes=record["classes"],
        filters=record["filters"],
        train_seed=found.inputs["train_seed"],
        address=found.address,
        weights_sha256=found.weights_sha256,
        validation_accuracy=record["validation_accuracy"],
        test_accuracy=record["test_accuracy"],
        activation_graph=found.tensors()["activation_graph"].numpy(),
    )
