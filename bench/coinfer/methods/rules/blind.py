"""Rules that look at nothing: what any other has to beat."""

from __future__ import annotations

import numpy as np

from coinfer.cluster.draws import uniform
from coinfer.contract import FloatArray, Kernels
from coinfer.methods.rules.base import ExitRule, ExitView


class Never(ExitRule):
    """The same network without early exits."""

    name = "never"
    alone = True

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """Nothing leaves."""
        return np.full(len(view.rows), np.nan, np.float32)


class Fixed(ExitRule):
    """Every row leaves at the same exit: a shorter network, in one value."""

    name = "fixed"
    high = True
    alone = True

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """The number of the exit, so that the threshold is the first one that is taken."""
        return np.full(len(view.rows), view.exit, np.float32)


class Random(ExitRule):
    """Leave with the same probability at every exit, whatever the row."""

    name = "random"

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """A draw keyed by request and exit: other rows do not change it."""
        return np.array([uniform("exit", row, view.exit) for row in view.rows], np.float32)
