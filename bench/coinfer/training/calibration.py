"""What all exits of trained students say on a split, remembered: all that exit rules are fitted to.

The validation split decides how scores are made (class means, temperatures, candidates for a
threshold), the calibration split which threshold is taken, and the test split nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

import coinfer_datasets
from coinfer.models import canonical_sha256
from coinfer.training.images import Pictures
from coinfer.training.joint import JointArtifact, load_joint
from coinfer.training.loop import outputs
from coinfer.training.teacher import VERSION
from coinfer.training.zoo import Zoo

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SplitOutputs:
    """Outputs of B exits on N images of a split, without faults.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
    logits : ndarray of float32, shape (B, N, classes)
    features : ndarray of float32, shape (B, N, F)
        Concatenated portions in partition order, rounded to half precision for storage.
    sha256 : str
        Digest of the stored record.
    """

    labels: npt.NDArray[np.int64]
    logits: FloatArray
    features: FloatArray
    sha256: str

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each exit is right, shape (B, N)."""
        right: npt.NDArray[np.bool_] = self.logits.argmax(axis=2) == self.labels
        return right

    def subset(self, images: npt.NDArray[np.int64] | slice) -> SplitOutputs:
        """The outputs on some of the images, in that order."""
        logits, features = (
            np.ascontiguousarray(x[:, images]) for x in (self.logits, self.features)
        )
        return SplitOutputs(self.labels[images], logits, features, self.sha256)

    def class_means(self, exit: int = 1) -> FloatArray:  # noqa: A002
        """Mean features of each true class at an exit counted from 1, shape (classes, F).

        A class without an image is left out.
        """
        features = self.features[exit - 1].astype(np.float64)
        means = [features[self.labels == c].mean(axis=0) for c in np.unique(self.labels)]
        return np.stack(means).astype(np.float32)


def split_outputs(
    joint: JointArtifact,
    zoo: Zoo,
    split: str = "calibration",
    dataset: str | None = None,
    data_dir: str | None = None,
) -> SplitOutputs:
    """Return the outputs from the zoo, or compute them from the images and put them there.

    Parameters
    ----------
    joint : JointArtifact
    zoo : Zoo
    split : str
    dataset : str, optional
        The students' own by default; a subset of it has a test split of its own.
    data_dir : str, optional

    Raises
    ------
    DatasetError
        If they must be computed and the data set is missing.
    ArtifactError
        If the record or the weights are damaged.
    """
    info = coinfer_datasets.info(dataset or joint.dataset)
    inputs = {
        "what": "calibration" if split == "calibration" else f"{split}-outputs",
        "version": VERSION,
        "data": info.identity,
        "joint": joint.weights_sha256,
    }
    found = zoo.get(canonical_sha256(inputs))
    if found is None:
        images = coinfer_datasets.load(info.name, data_dir).split(split)
        pictures = Pictures(torch.from_numpy(images.images), info, 0)
        batches = outputs(load_joint(joint, zoo), pictures)
        logits = [torch.cat(of_exit) for of_exit in zip(*(b.logits for b in batches), strict=True)]
        features = [
            torch.cat([torch.cat(batch.portions[b], dim=1) for batch in batches])
            for b in range(joint.exits)
        ]
        tensors = {
            "labels": torch.from_numpy(images.labels),
            "logits": torch.stack(logits),
            "features": torch.stack(features).half(),
        }
        found = zoo.put(inputs, tensors, {"joint": joint.address})
    stored = found.tensors()
    return SplitOutputs(
        labels=stored["labels"].numpy(),
        logits=stored["logits"].numpy(),
        features=stored["features"].float().numpy(),
        sha256=found.weights_sha256,
    )
