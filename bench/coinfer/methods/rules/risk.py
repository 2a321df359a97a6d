"""Bounds on the risk of leaving early, for candidates that go from safe to eager.

The *harm* of an early exit: its answer is wrong where the last exit's would have been right. As
every loss of accuracy is such a harm, but some are made good by early answers that are right where
the last one is wrong, a bound on the harm bounds the loss of accuracy, too. Early exit under
control of the risk: Jazbec et al., NeurIPS 2024, arXiv 2405.20915.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

Counts: TypeAlias = npt.NDArray[np.int64]


def learn_then_test(harms: Counts, images: int, epsilon: float, delta: float) -> int:
    """Most eager candidate whose harm is at most ε with probability 1 − δ.

    Learn then Test (Angelopoulos et al., arXiv 2110.01052) with fixed-sequence testing: candidates
    are tested in their order, each at level δ, up to the first that fails. The p-value of "the harm
    is above ε" is the exact binomial tail, which for losses of 0 and 1 is tighter than that of
    Hoeffding and Bentkus.

    Parameters
    ----------
    harms : ndarray of int64, shape (J,)
        Harmed images of each candidate; the first candidate lets nothing out and needs no test.
    images : int
        Drawn like those that will come, and not those that the candidates were made of.
    epsilon, delta : float

    Returns
    -------
    int
        Its number.

    Examples
    --------
    >>> learn_then_test(np.array([0, 0, 2, 30]), 1000, epsilon=0.01, delta=0.1)
    2
    """
    p_values = binom.cdf(harms[1:], images, epsilon)
    failed = p_values > delta
    return int(failed.argmax()) if failed.any() else len(harms) - 1


def conformal(harms: Counts, images: int, epsilon: float) -> int:
    """Most eager candidate whose expected harm is at most ε.

    Conformal risk control (Angelopoulos et al., ICLR 2024, arXiv 2208.02814): the expectation over
    calibration splits is bounded, not the probability that one split misleads. Harms are made to
    rise by their running maximum, since the theorem is about losses that do.

    Parameters
    ----------
    harms : ndarray of int64, shape (J,)
    images : int
    epsilon : float

    Examples
    --------
    >>> conformal(np.array([0, 0, 2, 30]), 1000, epsilon=0.01)
    2
    """
    bounded = (np.maximum.accumulate(harms) + 1) / (images + 1) <= epsilon
    bounded[0] = True
    return int(np.flatnonzero(bounded)[-1])
