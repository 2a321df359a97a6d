"""The feature difference with something to be compared with at the first exit."""

from __future__ import annotations

from typing import Self

import numpy as np

from coinfer.contract import FloatArray, Kernels
from coinfer.methods.rules.base import ExitView
from coinfer.methods.rules.feature_difference import FeatureDifference
from coinfer.training import SplitOutputs


class ClassMean(FeatureDifference):
    """At the first exit the distance to the nearest class mean, then the feature difference [ours].

    ``D_1 = min_c ‖v̂_1 − m̂_c‖₂``, where ``m_c`` is the mean of ``v_1`` over the validation images
    of class c.

    Parameters
    ----------
    means : ndarray of float32, shape (classes, values)
    """

    name = "class-mean"
    first = 1

    def __init__(self, means: FloatArray) -> None:
        self._means = means

    @classmethod
    def learn(cls, outputs: SplitOutputs, temperature_scaling: bool = True) -> Self:  # noqa: ARG003
        """Take the mean features of each class at the first exit."""
        return cls(outputs.class_means(1))

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """Distance to the nearest mean at the first exit, else the change since the one before."""
        assert view.features is not None
        if view.before is not None or not view.features.size:
            return super().scores(view, kernels)
        means = np.ascontiguousarray(self._means[:, view.columns])
        rows, classes = len(view.rows), len(means)
        distances = kernels.feature_change(
            np.tile(means, (rows, 1)), np.repeat(view.features, classes, axis=0), "l2"
        )
        nearest: FloatArray = distances.reshape(rows, classes).min(axis=1)
        return nearest
