"""PABEE's rule: leave when so many exits in a row have said the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from coinfer.contract import FloatArray, Kernels
from coinfer.methods.rules.base import ExitRule, ExitView


class Patience(ExitRule):
    """How often in a row successive exits have agreed (Zhou et al., NeurIPS 2020, 2006.04152)."""

    name = "patience"
    high = True
    reads_logits = True
    reads_answers = True
    first = 2

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """Agreements in a row up to this exit; NaN at the first one, which agrees with nobody."""
        assert view.labels is not None
        if len(view.labels) < 2:
            return np.full(len(view.rows), np.nan, np.float32)
        counts = np.zeros(len(view.rows), np.int32)
        for previous, current in pairwise(view.labels):
            kernels.count_agreement(previous, current, counts, 1)
        return counts.astype(np.float32)
