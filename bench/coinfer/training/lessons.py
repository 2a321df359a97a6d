"""What students are taught with: views of the images, their labels, and the teacher's answers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from coinfer.training.images import Pictures
from coinfer.training.views import Views
from coinfer_datasets import Dataset


class Lesson(NamedTuple):
    """One batch.

    Attributes
    ----------
    x : Tensor of float32, shape (N, C, H, W)
    labels : Tensor of int64, shape (N,)
    logits : Tensor of float32, shape (N, classes)
        The teacher's.
    features : Tensor of float32, shape (N, F)
        The teacher's pooled activations.
    """

    x: Tensor
    labels: Tensor
    logits: Tensor
    features: Tensor


class Lessons:
    """Batches of the training images as the teacher has seen them."""

    def __init__(self, data: Dataset, views: Views) -> None:
        reach = int(torch.cat([views.down, views.right]).abs().max())
        self._pictures = Pictures(torch.from_numpy(data.train.images), data.info, reach)
        self._labels = torch.from_numpy(data.train.labels)
        self._views = views

    def __len__(self) -> int:
        return len(self._pictures)

    def draw(self, which: Tensor, draws: torch.Generator) -> Lesson:
        """Take a batch of images, one of the views at random for each.

        Parameters
        ----------
        which : Tensor of int64, shape (N,)
        draws : torch.Generator
        """
        views = self._views
        view = torch.randint(len(views.down), (len(which),), generator=draws)
        return Lesson(
            self._pictures.batch(which, views.down[view], views.right[view], views.mirror[view]),
            self._labels[which],
            views.logits[view, which].float(),
            views.features[view, which].float(),
        )
