"""What stands for a lost portion: zeros, its mean, or a head that knows what is missing.

Students need not be trained for it. Zeros are what the related work does; the other two are [ours].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

import coinfer_datasets
from coinfer.errors import UsageError
from coinfer.models import canonical_sha256
from coinfer.training.joint import JointArtifact, load_joint
from coinfer.training.loop import OnProgress
from coinfer.training.recipe import Recipe
from coinfer.training.subset_head import SubsetHeadArtifact, fit_subset_head, portions_of
from coinfer.training.teacher import VERSION, TeacherArtifact
from coinfer.training.zoo import Zoo

FusionName = Literal["zero-fill", "mean-fill", "any-subset"]


@dataclass(frozen=True)
class FusedArtifact:
    """Students with what makes an answer of those that are left.

    Attributes
    ----------
    fusion : str
    joint : JointArtifact
        Students and the head for all portions.
    fill : ndarray of float32, shape (F,)
        What stands for the values of a lost portion.
    head : SubsetHeadArtifact or None
        The head of ``any-subset``.
    """

    fusion: FusionName
    joint: JointArtifact
    fill: npt.NDArray[np.float32]
    head: SubsetHeadArtifact | None = None


def fit_fusion(
    fusion: FusionName,
    joint: JointArtifact,
    teacher: TeacherArtifact,
    recipe: Recipe,
    train_seed: int,
    zoo: Zoo,
    progress: OnProgress | None = None,
    data_dir: str | None = None,
) -> FusedArtifact:
    """Return what a fusion needs beside the students, from the zoo or freshly made.

    Parameters
    ----------
    fusion : {"zero-fill", "mean-fill", "any-subset"}
    joint : JointArtifact
        Students with one exit.
    teacher : TeacherArtifact
    recipe : Recipe
    train_seed : int
    zoo : Zoo
    progress : callable, optional
    data_dir : str, optional

    Raises
    ------
    UsageError
        If there is no such fusion, or the students have several exits.
    DatasetError
        If something must be made and the data set is missing.
    ArtifactError
        If what is stored is damaged.
    """
    if fusion not in get_args(FusionName):
        raise UsageError(f"no fusion {fusion!r}; there are {', '.join(get_args(FusionName))}")
    if joint.exits > 1 and fusion != "zero-fill":
        raise UsageError(f"{fusion} is for students with one exit, not {joint.exits}")
    fill = np.zeros(joint.spec.features, np.float32)
    head = None
    if fusion == "mean-fill":
        fill = mean_portions(joint, zoo, data_dir)
    elif fusion == "any-subset":
        head = fit_subset_head(joint, teacher, recipe, train_seed, zoo, progress, data_dir)
    return FusedArtifact(fusion, joint, fill, head)


def mean_portions(
    joint: JointArtifact, zoo: Zoo, data_dir: str | None = None
) -> npt.NDArray[np.float32]:
    """Return the mean portions over the validation split, shape (F,), from the zoo if it has them.

    Raises
    ------
    DatasetError
        If they must be computed and the data set is missing.
    ArtifactError
        If the stored ones, or the students, are damaged.
    """
    inputs = {
        "what": "mean-portions",
        "version": VERSION,
        "data": coinfer_datasets.info(joint.dataset).identity,
        "joint": joint.weights_sha256,
    }
    found = zoo.get(canonical_sha256(inputs))
    if found is None:
        data = coinfer_datasets.load(joint.dataset, data_dir)
        features = portions_of(load_joint(joint, zoo), data, "validation").features
        mean = features.mean(dim=0, dtype=torch.float64).float()
        found = zoo.put(inputs, {"mean": mean}, {"joint": joint.address})
    values: npt.NDArray[np.float32] = found.tensors()["mean"].numpy()
    return values
