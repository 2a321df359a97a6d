"""Candidates for the thresholds of a rule, from the one that lets nothing out to the most eager.

They are made of scores on the validation split. So the hypotheses that are tested on the
calibration split do not depend on it.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from coinfer.contract import FloatArray
from coinfer.methods.rules.base import ExitRule

Thresholds: TypeAlias = npt.NDArray[np.float64]
Scheme: TypeAlias = Literal["shared", "budgeted"]

STEPS: Final = 200

_RATIOS: Final = np.logspace(2, -2, STEPS)
"""Of the shares of successive exits; at 100 nearly all rows go to the last one."""


def candidates(rule: ExitRule, scores: FloatArray, scheme: Scheme) -> Thresholds:
    """Thresholds of all exits but the last, the safest first, shape (J, B − 1).

    Parameters
    ----------
    rule : ExitRule
    scores : ndarray of float32, shape (B − 1, N)
        On the validation split.
    scheme : {"shared", "budgeted"}
        One threshold for all exits; or one an exit, such that the shares of the rows that leave
        fall or rise geometrically from exit to exit (MSDNet's budgeted batch classification,
        Huang et al., ICLR 2018, arXiv 1703.09844, section 5).
    """
    shut = np.full((1, len(scores)), rule.shut)
    made = _budgeted(rule, scores) if scheme == "budgeted" else _shared(rule, scores)
    return np.vstack([shut, made])


def _shared(rule: ExitRule, scores: FloatArray) -> Thresholds:
    told = scores[~np.isnan(scores)]
    if not told.size:
        return np.empty((0, len(scores)))
    # Observed values, for what counts agreements knows nothing between one and two.
    levels = np.quantile(told, np.linspace(0, 1, STEPS), method="nearest")
    taus = np.unique(levels.astype(np.float64))
    return np.repeat((taus[::-1] if rule.high else taus)[:, None], len(scores), axis=1)


def _budgeted(rule: ExitRule, scores: FloatArray) -> Thresholds:
    exits, images = len(scores) + 1, scores.shape[1]
    # What cannot be judged is never the best that is left.
    eagerness = np.where(np.isnan(scores), -np.inf, scores if rule.high else -scores)
    made = np.full((STEPS, exits - 1), rule.shut)
    for j, ratio in enumerate(_RATIOS):
        shares = ratio ** np.arange(exits - rule.first + 1)
        ends = np.rint(images * np.cumsum(shares) / shares.sum())
        wanted = np.diff(ends, prepend=0).astype(int)
        left = np.ones(images, bool)
        for b in range(rule.first, exits):
            best = np.sort(eagerness[b - 1, left])[::-1]
            count = min(wanted[b - rule.first], int(np.isfinite(best).sum()))
            if count:
                made[j, b - 1] = best[count - 1] if rule.high else -best[count - 1]
                left &= ~rule.leaves(scores[b - 1], made[j, b - 1])
    return made
