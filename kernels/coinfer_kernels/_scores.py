"""What the confidence kernels return, and the names of exit rules and feature changes."""

from __future__ import annotations

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
        ``-logsumexp(logits)``, at temperature 1 (Liu et al. 2020); lower is more confident.
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
