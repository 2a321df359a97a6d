"""Exact tests and intervals on paired effects; the statistics themselves are scipy's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy import stats

_RESAMPLES: Final = 9999
_EXACT_PAIRS: Final = 16
# Effects closer than this differ by rounding alone; scipy warns of them and then divides by it.
_EQUAL: Final = 1e-12


def sign_flip_p(effects: Sequence[float]) -> float:
    """Two-sided p-value of the paired permutation test of a mean effect of 0.

    Exact up to 16 pairs (all 2^n sign patterns); beyond, by random ones as scipy draws.
    Infinite effects only say which side won: then the exact sign test is used.
    """
    effect = np.asarray(effects, dtype=float)
    if not np.isfinite(effect).all():
        wins, losses = int((effect > 0).sum()), int((effect < 0).sum())
        return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    if len(effect) < 2 or not effect.any():
        return 1.0
    if len(effect) <= _EXACT_PAIRS:
        sums = np.zeros(1)
        for one in effect:
            sums = np.concatenate([sums + one, sums - one])
        rounding = _EQUAL * np.abs(effect).sum()
        return float(np.mean(np.abs(sums) >= abs(effect.sum()) - rounding))
    result = stats.permutation_test(
        (effect, np.zeros_like(effect)),
        _mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def interval(effects: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Bootstrap interval (BCa) of the mean effect; None where there are too few for one."""
    effect = np.asarray(effects, dtype=float)
    if len(effect) < 2 or not np.isfinite(effect).all():
        return None
    if np.ptp(effect) <= _EQUAL:
        return float(effect[0]), float(effect[0])
    found = stats.bootstrap(
        (effect,),
        np.mean,
        confidence_level=confidence,
        n_resamples=_RESAMPLES,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    if math.isnan(found.low) or math.isnan(found.high):
        return None
    return float(found.low), float(found.high)


def equivalence_p(effects: Sequence[float], margin: float) -> float:
    """p-value of two one-sided t-tests: small where the mean effect lies within the margin."""
    effect = np.asarray(effects, dtype=float)
    if len(effect) < 2 or not np.isfinite(effect).all():
        return 1.0
    if np.ptp(effect) <= _EQUAL:
        return 0.0 if abs(effect[0]) <= margin else 1.0
    above = stats.ttest_1samp(effect, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(effect, margin, alternative="less").pvalue
    return float(max(above, below))


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg adjusted p-values."""
    return [float(p) for p in stats.false_discovery_control(p_values)] if p_values else []


def pairs_needed(alpha: float, rows: int) -> int:
    """Fewest pairs with which one row among `rows` can be significant at all.

    The smallest two-sided p of n pairs is 2^(1-n), and Benjamini-Hochberg may multiply it by the
    number of rows.

    Examples
    --------
    >>> pairs_needed(0.05, 1), pairs_needed(0.05, 20)
    (6, 10)
    """
    return math.ceil(1 + math.log2(rows / alpha))


def _mean_difference(new: Any, base: Any, axis: int) -> Any:
    return np.mean(new - base, axis=axis)
