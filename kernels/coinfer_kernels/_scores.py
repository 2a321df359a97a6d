"""What the confidence kernels return, and their named and numbered arguments, checked."""

from __future__ import annotations

import math
import operator
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

RULES: Final = ("max-prob", "entropy", "margin", "energy")
CHANGES: Final = ("l2", "relative-l2", "cosine")


class ExitScores(NamedTuple):
    """Confidence of each row of a batch of logits.

    Attributes
    ----------
    max_prob : ndarray of float32, shape (rows,)
        Largest softmax probability (the rule of MSDNet, Huang et al. 2018).
    entropy : ndarray of float32, shape (rows,)
        Entropy of the softmax in nats (the rule of BranchyNet, Teerapittayanon et al. 2016).
    margin : ndarray of float32, shape (rows,)
        Largest minus second largest probability; with one class the second is zero.
    energy : ndarray of float32, shape (rows,)
        ``-T * logsumexp(logits / T)`` (Liu et al. 2020); lower is more confident.
    label : ndarray of int64, shape (rows,)
        Index of the largest logit, the first one on a tie; -1 for a row without scores.
    """

    max_prob: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    margin: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, rows: int) -> Self:
        """Uninitialised scores, to be given to `exit_scores` as ``out``."""
        max_prob, entropy, margin, energy = (np.empty(rows, np.float32) for _ in range(4))
        return cls(max_prob, entropy, margin, energy, np.empty(rows, np.int64))

    @classmethod
    def none(cls, rows: int) -> Self:
        """Scores of rows that have none: NaN, and -1 for the label."""
        scores = cls.empty(rows)
        for score in scores[:4]:
            score.fill(np.nan)
        scores.label.fill(-1)
        return scores


def checked_rule(rule: str) -> str:
    """Return `rule`, or say which rules there are."""
    if rule not in RULES:
        raise ValueError(f"unknown exit rule {rule!r}; choose from {', '.join(RULES)}")
    return rule


def checked_change(kind: str) -> str:
    """Return `kind`, or say which kinds there are."""
    if kind not in CHANGES:
        raise ValueError(f"unknown feature change {kind!r}; choose from {', '.join(CHANGES)}")
    return kind


def checked_threshold(threshold: float) -> float:
    """Return `threshold` as a float, and refuse NaN, which would mean "never" by accident."""
    value = float(threshold)
    if value != value:
        raise ValueError("threshold must not be NaN")
    return value


def checked_temperature(temperature: float) -> float:
    """Return `temperature` as a float that logits can be divided by."""
    value = float(temperature)
    if not 0 < value < math.inf:
        raise ValueError(f"temperature must be positive and finite, not {value:g}")
    return value


def checked_patience(patience: int) -> int:
    """Return `patience` as an int of at least one."""
    value = operator.index(patience)
    if value < 1:
        raise ValueError(f"patience must be at least 1, not {value}")
    return value


def checked_crc(crc: int) -> int:
    """Return a checksum to continue from."""
    value = operator.index(crc)
    if not 0 <= value < 1 << 32:
        raise ValueError(f"crc must be between 0 and 2**32 - 1, not {value}")
    return value
