"""How far a network's confidence can be believed: temperature, calibration error, AUROC."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

# SciPy and scikit-learn are imported where they are used: a board that loads weights has neither.

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

BINS: Final = 15
"""Of equal width, as Guo et al. (2017) take them."""

TEMPERATURES: Final = (0.05, 20.0)


def fit_temperature(logits: FloatArray, labels: IntArray) -> float:
    """Temperature of the least negative log-likelihood (Guo et al., ICML 2017, arXiv 1706.04599).

    Parameters
    ----------
    logits : ndarray of float32, shape (N, classes)
    labels : ndarray of int64, shape (N,)

    Returns
    -------
    float
        Within `TEMPERATURES`: where every answer is right, the likelihood has no other bound.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    z = logits.astype(np.float64)
    true = z[np.arange(len(z)), labels]

    def nll(log_t: float) -> float:
        t = np.exp(log_t)
        return float(np.mean(logsumexp(z / t, axis=1) - true / t))

    low, high = TEMPERATURES
    found = minimize_scalar(nll, bounds=(math.log(low), math.log(high)), method="bounded")
    return float(np.exp(found.x))


class Reliability(NamedTuple):
    """How well the largest probability tells right answers.

    Attributes
    ----------
    ece : float
        Expected calibration error, share of 1.
    auroc : float or None
        Chance that a right answer has a larger probability than a wrong one (failure
        prediction); None where all answers are right, or all wrong.
    """

    ece: float
    auroc: float | None


def reliability(logits: FloatArray, labels: IntArray, temperature: float = 1.0) -> Reliability:
    """Calibration error and AUROC of the largest probability.

    Parameters
    ----------
    logits : ndarray of float32, shape (N, classes)
    labels : ndarray of int64, shape (N,)
    temperature : float

    Examples
    --------
    >>> logits = np.array([[99.0, 0.0], [99.0, 0.0]], np.float32)
    >>> found = reliability(logits, np.array([0, 1]))
    >>> round(found.ece, 3), found.auroc
    (0.5, 0.5)
    """
    from scipy.special import softmax
    from sklearn.metrics import roc_auc_score

    probabilities = softmax(logits.astype(np.float64) / temperature, axis=1)
    confidence = probabilities.max(axis=1)
    right = logits.argmax(axis=1) == labels
    # Bins are (low, high], so that certainty is in the last one.
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, confidence - right, minlength=BINS)
    ece = float(np.abs(gaps).sum() / len(labels))
    auroc = float(roc_auc_score(right, confidence)) if 0 < right.sum() < len(right) else None
    return Reliability(ece, auroc)
