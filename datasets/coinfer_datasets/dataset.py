"""A loaded data set: named splits of uint8 images and the one normalisation they share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from coinfer.errors import DatasetError
from coinfer_datasets.catalogue import Info

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Images and labels of one split.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
    labels : ndarray of int64, shape (N,)
    """

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def sha256(self, name: str) -> str:
        """Hex digest of `name`, the shapes and the bytes of the split."""
        digest = hashlib.sha256(f"{name}{self.images.shape}{self.labels.shape}".encode())
        digest.update(np.ascontiguousarray(self.images).tobytes())
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Splits of one data set.

    Attributes
    ----------
    info : Info
        What is known without the images.
    splits : Mapping[str, Split]
        Some of ``train``, ``validation`` (activation graph, checkpoints), ``calibration``
        (thresholds) and ``test``.
    where : str
        Where it was found.
    """

    info: Info
    splits: Mapping[str, Split]
    where: str

    def split(self, name: str) -> Split:
        """Return a split.

        Raises
        ------
        DatasetError
            If this data set has no such split.
        """
        if name not in self.splits:
            message = f"data set {self.info.name!r} has no {name!r} split, only {list(self.splits)}"
            if self.info.name != self.info.base:
                message += f"; {self.info.base!r} has all of them"
            raise DatasetError(message)
        return self.splits[name]

    @property
    def train(self) -> Split:
        """Images that models are fitted to."""
        return self.split("train")

    @property
    def validation(self) -> Split:
        """Images for the activation graph and for choosing checkpoints."""
        return self.split("validation")

    @property
    def calibration(self) -> Split:
        """Images that thresholds are fitted to."""
        return self.split("calibration")

    @property
    def test(self) -> Split:
        """Images that results are reported on, and nothing is chosen by."""
        return self.split("test")

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the name and the test split, which enters the hash of a result."""
        return self.test.sha256(self.info.name)

    def normalise(self, images: Images) -> npt.NDArray[np.float32]:
        """Standardise images with the training split's statistics, whatever split they are from.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, C, H, W)

        Returns
        -------
        ndarray of float32, shape (N, C, H, W)
        """
        return self.info.normalise(images)
