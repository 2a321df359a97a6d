"""What an exit rule is: one score a row at every exit but the last, held against a threshold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

from coinfer.contract import FloatArray, Kernels, Scores
from coinfer.training import SplitOutputs

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class ExitView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the source has of rows that have come as far as an exit, as far as the rule reads it.

    Attributes
    ----------
    exit : int
        Counted from 1; never the last one, which answers without being asked.
    rows : tuple of int
        Request numbers.
    features : ndarray of float32, shape (rows, values), or None
        The portions that are there at this exit and at the one before it, side by side; None for a
        rule that reads logits.
    before : ndarray of float32, shape (rows, values), or None
        The same portions at the exit before; None at the first one.
    columns : ndarray of int64, shape (values,), or None
        Their places in the vector of all portions; with `features`.
    confidence : Scores or None
        Of the exit's logits; None for a rule that does not read them.
    labels : ndarray of int64, shape (exits, rows), or None
        What this exit and those before it would answer, the first one first; None for a rule that
        does not read answers.
    """

    exit: int
    rows: tuple[int, ...]
    features: FloatArray | None = None
    before: FloatArray | None = None
    columns: IntArray | None = None
    confidence: Scores | None = None
    labels: IntArray | None = None


class ExitRule(ABC):
    """One rule; a file of this package each.

    Attributes
    ----------
    name : str
    high : bool
        Rows leave at scores of at least the threshold; otherwise at scores of at most it.
    reads_logits : bool
        The source runs the head of an exit before it decides there; otherwise for the rows that
        leave alone.
    reads_answers : bool
        Of the logits, it needs to know what earlier exits would have answered.
    first : int
        The first exit at which a row can leave, from 1.
    alone : bool
        Only one exit ever answers, so that the heads and messages of the others are left out.
    deployable : bool
        False for a bound that has to know the true label.
    """

    name: ClassVar[str]
    high: ClassVar[bool] = False
    reads_logits: ClassVar[bool] = False
    reads_answers: ClassVar[bool] = False
    first: ClassVar[int] = 1
    alone: ClassVar[bool] = False
    deployable: ClassVar[bool] = True

    @classmethod
    def learn(cls, outputs: SplitOutputs, temperature_scaling: bool = True) -> Self:  # noqa: ARG003
        """Make the rule from outputs on the validation split.

        Parameters
        ----------
        outputs : SplitOutputs
            Never those that the threshold is chosen on: a bound on the risk needs scores that do
            not depend on them.
        temperature_scaling : bool
            Whether a rule that reads logits divides them by a fitted temperature.
        """
        return cls()

    @abstractmethod
    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """One score a row, shape (rows,); NaN keeps a row in, whatever the threshold."""

    def temperature(self, exit: int) -> float:  # noqa: A002
        """What the logits of an exit are divided by before they are scored."""
        return 1.0

    @property
    def first_head(self) -> int:
        """The first exit whose head the source needs."""
        return 1 if self.reads_logits else self.first

    def leaves(self, scores: FloatArray, threshold: float) -> BoolArray:
        """Which rows leave, compared in float64; a comparison with NaN is false."""
        tau = np.float64(threshold)
        found: BoolArray = scores >= tau if self.high else scores <= tau
        return found

    def leaving(self, view: ExitView, kernels: Kernels, threshold: float) -> tuple[int, ...]:
        """Which rows of a job leave: as `leaves` says, without NumPy, which few rows do not pay."""
        # A float32 is a float64 exactly, so these are the same comparisons.
        told = zip(view.rows, self.scores(view, kernels).tolist(), strict=True)
        if self.high:
            return tuple([row for row, score in told if score >= threshold])
        return tuple([row for row, score in told if score <= threshold])

    @property
    def shut(self) -> float:
        """A threshold at which no row leaves."""
        return float("inf") if self.high else float("-inf")


def views(rule: ExitRule, outputs: SplitOutputs, kernels: Kernels) -> Iterator[ExitView]:
    """What the rule would see of every exit but the last, all portions being there."""
    exits, images = outputs.logits.shape[:2]
    columns = np.arange(outputs.features.shape[2])
    rows = tuple(range(images))
    labels: list[IntArray] = []
    for b in range(1, exits):
        if not rule.reads_logits:
            before = outputs.features[b - 2] if b > 1 else None
            features = outputs.features[b - 1]
            yield ExitView(exit=b, rows=rows, features=features, before=before, columns=columns)
            continue
        scores = kernels.exit_scores(outputs.logits[b - 1], temperature=rule.temperature(b))
        labels.append(scores.label)
        answers = np.stack(labels) if rule.reads_answers else None
        yield ExitView(exit=b, rows=rows, confidence=scores, labels=answers)


def scores_of(rule: ExitRule, outputs: SplitOutputs, kernels: Kernels) -> FloatArray:
    """Scores of all rows at every exit but the last, shape (B − 1, N)."""
    return np.stack([rule.scores(view, kernels) for view in views(rule, outputs, kernels)])


def exits_taken(
    rule: ExitRule, scores: FloatArray, thresholds: npt.NDArray[np.float64]
) -> IntArray:
    """Exit (from 1) of each row for scores of shape (B − 1, N) and one threshold an exit.

    Examples
    --------
    >>> from coinfer.methods.rules.feature_difference import FeatureDifference
    >>> scores = np.array([[0.1, 0.9, 0.9], [0.5, 0.2, 0.8]], np.float32)
    >>> exits_taken(FeatureDifference(), scores, np.array([0.25, 0.25])).tolist()
    [1, 2, 3]
    """
    last = np.ones((1, scores.shape[1]), bool)
    fires = [rule.leaves(row, tau) for row, tau in zip(scores, thresholds, strict=True)]
    first: IntArray = np.vstack([*fires, last]).argmax(axis=0) + 1
    return first
