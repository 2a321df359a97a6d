"""What candidates for the thresholds of a rule do on a split: answers, MACs and time."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from coinfer.contract import FloatArray
from coinfer.methods.rules.base import BoolArray, ExitRule, exits_taken
from coinfer.methods.rules.candidates import Thresholds

FloatsJ: TypeAlias = npt.NDArray[np.float64]


class Costs(NamedTuple):
    """What it takes to answer at each exit, as the plan predicts it.

    Attributes
    ----------
    macs, ns : tuple of int
        Of all devices and the source, and until the answer, where every exit asks the rule.
    alone_macs, alone_ns : tuple of int
        The same where this exit is the only one.
    """

    macs: tuple[int, ...]
    ns: tuple[int, ...]
    alone_macs: tuple[int, ...]
    alone_ns: tuple[int, ...]

    def of(self, rule: ExitRule | type[ExitRule]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """MACs and time exit by exit under a rule."""
        return (self.alone_macs, self.alone_ns) if rule.alone else (self.macs, self.ns)


class Point(NamedTuple):
    """What thresholds did on a split.

    Attributes
    ----------
    accuracy : float
    accuracy_loss_points : float
        Against the last exit; negative where early answers were better.
    harm : float
        Share of the images that are wrong and would have been right at the last exit.
    macs, ns : float
        Means by the costs of the plan.
    exits : tuple of float
        Share of the images that left at each exit.
    """

    accuracy: float
    accuracy_loss_points: float
    harm: float
    macs: float
    ns: float
    exits: tuple[float, ...]


class Curve(NamedTuple):
    """What J candidates did on a split: an array for each field of `Point`, its first axis J."""

    accuracy: FloatsJ
    accuracy_loss_points: FloatsJ
    harm: FloatsJ
    macs: FloatsJ
    ns: FloatsJ
    exits: FloatsJ

    def point(self, j: int) -> Point:
        """One candidate."""
        return Point(
            accuracy=float(self.accuracy[j]),
            accuracy_loss_points=float(self.accuracy_loss_points[j]),
            harm=float(self.harm[j]),
            macs=float(self.macs[j]),
            ns=float(self.ns[j]),
            exits=tuple(map(float, self.exits[j])),
        )


def curve(
    rule: ExitRule, scores: FloatArray, right: BoolArray, thresholds: Thresholds, costs: Costs
) -> Curve:
    """What each candidate does on a split.

    Parameters
    ----------
    rule : ExitRule
    scores : ndarray of float32, shape (B − 1, N)
    right : ndarray of bool, shape (B, N)
        Whether each exit is right.
    thresholds : ndarray of float64, shape (J, B − 1)
    costs : Costs
    """
    left = np.stack([exits_taken(rule, scores, taus) for taus in thresholds])
    early, full = right[left - 1, np.arange(left.shape[1])], right[-1]
    shares = np.stack([(left == b + 1).mean(axis=1) for b in range(len(right))], axis=1)
    macs, ns = costs.of(rule)
    return Curve(
        accuracy=early.mean(axis=1),
        accuracy_loss_points=100 * (full.mean() - early.mean(axis=1)),
        harm=(full & ~early).mean(axis=1),
        macs=shares @ np.array(macs, np.float64),
        ns=shares @ np.array(ns, np.float64),
        exits=shares,
    )
