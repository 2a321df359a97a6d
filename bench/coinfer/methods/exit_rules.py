"""The exit rule of DistrEE and how its threshold is set.

Feature difference [paper; formula ours]: ``D_b = ‖v̂_b − v̂_{b−1}‖₂`` on the aggregated feature
vectors, L2-normalised; exit at b when ``D_b ≤ τ``. It needs two exits, so exit 1 never fires; the
last exit is unconditional.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coinfer.training import CalibrationOutputs

FloatArray = npt.NDArray[np.float32]
Change = Callable[[FloatArray, FloatArray], FloatArray]


class Threshold(NamedTuple):
    """A threshold and what it did on the calibration split.

    Attributes
    ----------
    value : float
        τ.
    accuracy_loss_points : float
        Against the last exit, in points; negative where early answers were better.
    exits : tuple of float
        Share of the images that left at each exit.
    """

    value: float
    accuracy_loss_points: float
    exits: tuple[float, ...]


def calibrate_threshold(
    outputs: CalibrationOutputs, accuracy_loss_points: float, change: Change
) -> Threshold:
    """Largest τ whose accuracy loss on the calibration split stays within the target.

    One τ serves all exits [ours]. Candidates are the observed differences themselves. Nothing
    guards the target on other images: the realised loss is for the report to say.

    Parameters
    ----------
    outputs : CalibrationOutputs
        Of B ≥ 2 exits.
    accuracy_loss_points : float
    change : callable
        ``change(previous, current)``, one value a row: the kernel ``feature_change``.
    """
    exits, images = outputs.logits.shape[:2]
    differences = np.stack(
        [change(outputs.features[b - 1], outputs.features[b]) for b in range(1, exits)]
    )
    right = outputs.logits.argmax(axis=2) == outputs.labels
    full = right[-1].mean()
    # One candidate in ten images is fine enough, and quick.
    quantiles = np.linspace(0, 1, max(images // 10, 2))
    best = Threshold(-1.0, 0.0, (0.0,) * (exits - 1) + (1.0,))
    for tau in np.unique(np.quantile(differences, quantiles).astype(np.float32)):
        left = exits_at(differences, float(tau))
        kept = right[left, np.arange(images)].mean()
        loss = 100 * float(full - kept)
        if loss <= accuracy_loss_points:
            shares = np.bincount(left, minlength=exits) / images
            best = Threshold(float(tau), loss, tuple(float(s) for s in shares))
    return best


def exits_at(differences: FloatArray, tau: float) -> npt.NDArray[np.int64]:
    """Exit (from 0) of each image for differences of shape (B − 1, N) between successive exits.

    Examples
    --------
    >>> exits_at(np.array([[0.1, 0.9], [0.5, 0.8]], np.float32), tau=0.2).tolist()
    [1, 2]
    """
    fires = np.vstack([differences[:-1] <= tau, np.ones((1, differences.shape[1]), bool)])
    first: npt.NDArray[np.int64] = fires.argmax(axis=0) + 1
    return first
