"""DistrEE's own rule: leave when the features of two exits agree."""

from __future__ import annotations

import numpy as np

from coinfer.contract import FloatArray, Kernels
from coinfer.methods.rules.base import ExitRule, ExitView


class FeatureDifference(ExitRule):
    """``D_b = ‖v̂_b − v̂_{b−1}‖₂``, each vector L2-normalised [paper; formula ours].

    It takes two exits, so that nothing ever leaves at the first one.
    """

    name = "feature-difference"
    first = 2

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """Change since the exit before; NaN where there is none, or nothing to compare."""
        assert view.features is not None
        if view.before is None or not view.features.size:
            return np.full(len(view.rows), np.nan, np.float32)
        return kernels.feature_change(view.before, view.features, "l2")
