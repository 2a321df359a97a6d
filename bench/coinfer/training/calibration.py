"""What trained students say on the calibration split: all that thresholds are fitted to."""

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
class CalibrationOutputs:
    """Outputs of B exits on N calibration images, without faults.

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

    def class_means(self, exit: int = 1) -> FloatArray:  # noqa: A002
        """Mean features of each true class at an exit counted from 1, shape (classes, F)."""
        features = self.features[exit - 1].astype(np.float64)
        classes = self.logits.shape[2]
        means = [features[self.labels == c].mean(axis=0) for c in range(classes)]
        return np.stack(means).astype(np.float32)

    def mean_features(self, exit: int = 1) -> FloatArray:  # noqa: A002
        """Mean features at an exit counted from 1, shape (F,): what mean-fill puts for a loss."""
        mean: FloatArray = self.features[exit - 1].mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean


def calibration_outputs(
    joint: JointArtifact, zoo: Zoo, data_dir: str | None = None
) -> CalibrationOutputs:
    """Return the outputs from the zoo, or compute them from the images and put them there.

    Raises
    ------
    DatasetError
        If they must be computed and the data set is missing.
    ArtifactError
        If the record or the weights are damaged.
    """
    info = coinfer_datasets.info(joint.dataset)
    inputs = {
        "what": "calibration",
        "version": VERSION,
        "data": info.identity,
        "joint": joint.weights_sha256,
    }
    found = zoo.get(canonical_sha256(inputs))
    if found is None:
        split = coinfer_datasets.load(joint.dataset, data_dir).calibration
        pictures = Pictures(torch.from_numpy(split.images), info, 0)
        batches = outputs(load_joint(joint, zoo), pictures)
        logits = [torch.cat(of_exit) for of_exit in zip(*(b.logits for b in batches), strict=True)]
        features = [
            torch.cat([torch.cat(batch.portions[b], dim=1) for batch in batches])
            for b in range(joint.exits)
        ]
        tensors = {
            "labels": torch.from_numpy(split.labels),
            "logits": torch.stack(logits),
            "features": torch.stack(features).half(),
        }
        found = zoo.put(inputs, tensors, {"joint": joint.address})
    stored = found.tensors()
    return CalibrationOutputs(
        labels=stored["labels"].numpy(),
        logits=stored["logits"].numpy(),
        features=stored["features"].float().numpy(),
        sha256=found.weights_sha256,
    )
