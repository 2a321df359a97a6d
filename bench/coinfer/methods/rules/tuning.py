"""Sets the thresholds of a rule for a target, on the calibration split alone."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from coinfer.contract import FloatArray, Kernels
from coinfer.errors import PlanError
from coinfer.methods.rules.base import ExitRule, exits_taken, scores_of
from coinfer.methods.rules.candidates import Scheme, Thresholds, candidates
from coinfer.methods.rules.curve import Costs, Curve, FloatsJ, Point, curve
from coinfer.methods.rules.risk import conformal, learn_then_test
from coinfer.methods.rules.target import Target
from coinfer.training import SplitOutputs, reliability


class Tuned(NamedTuple):
    """A rule with its thresholds, and what else could have been chosen.

    Attributes
    ----------
    rule : ExitRule
    candidates : ndarray of float64, shape (J, B − 1)
        From the one that lets nothing out to the most eager.
    curve : Curve
        What each candidate did on the calibration split.
    chosen : int
    ece : float
        Calibration error of the answers that the chosen thresholds give on the calibration split,
        each by its exit's temperature.
    """

    rule: ExitRule
    candidates: Thresholds
    curve: Curve
    chosen: int
    ece: float

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One for each exit but the last."""
        return tuple(map(float, self.candidates[self.chosen]))

    @property
    def point(self) -> Point:
        """What the chosen thresholds did on the calibration split."""
        return self.curve.point(self.chosen)

    def describe(self) -> dict[str, Any]:
        """JSON values; a threshold that lets nothing out is null."""
        point = self.point
        return {
            "rule": self.rule.name,
            "thresholds": [t if math.isfinite(t) else None for t in self.thresholds],
            "accuracy_loss_points": point.accuracy_loss_points,
            "harm_points": 100 * point.harm,
            "exits": list(point.exits),
            "ece": self.ece,
            "mean_macs": point.macs,
            "mean_latency_ms": point.ns / 1e6,
        }


def tune(
    rule: ExitRule,
    validation: SplitOutputs,
    calibration: SplitOutputs,
    target: Target,
    scheme: Scheme,
    costs: Costs,
    kernels: Kernels,
) -> Tuned:
    """Set thresholds for a target.

    Parameters
    ----------
    rule : ExitRule
        Learnt on the validation split.
    validation, calibration : SplitOutputs
        What candidates are made of, and what they are judged on.
    target : Target
    scheme : {"shared", "budgeted"}
    costs : Costs
    kernels : Kernels
        The definition, whichever back end is under test: a threshold must not depend on it.

    Raises
    ------
    PlanError
        If no threshold takes as little as the target says.
    """
    scores = scores_of(rule, calibration, kernels)
    if target.threshold is not None:
        made = np.full((1, len(scores)), target.threshold, np.float64)
        found, j = curve(rule, scores, calibration.right, made, costs), 0
        return Tuned(rule, made, found, j, _ece(rule, scores, made[j], calibration))
    made = candidates(rule, scores_of(rule, validation, kernels), scheme)
    found = curve(rule, scores, calibration.right, made, costs)
    j = choose(found, target, len(calibration.labels))
    return Tuned(rule, made, found, j, _ece(rule, scores, made[j], calibration))


def _ece(
    rule: ExitRule, scores: FloatArray, thresholds: Thresholds, outputs: SplitOutputs
) -> float:
    left = exits_taken(rule, scores, thresholds)
    temperatures = np.array([rule.temperature(b + 1) for b in range(len(outputs.logits))])
    logits = outputs.logits[left - 1, np.arange(len(left))] / temperatures[left - 1, None]
    return reliability(logits.astype(np.float32), outputs.labels).ece


def choose(found: Curve, target: Target, images: int) -> int:
    """Number of the candidate that the target asks for.

    Parameters
    ----------
    found : Curve
        On the calibration split, the candidate that lets nothing out first.
    target : Target
    images : int
        How many images the curve is of.

    Raises
    ------
    PlanError
        If no candidate takes as little as the target says.
    """
    if target.risk is not None:
        harms = np.rint(images * found.harm).astype(np.int64)
        risk = target.risk
        if risk.control == "crc":
            return conformal(harms, images, risk.epsilon_points / 100)
        return learn_then_test(harms, images, risk.epsilon_points / 100, risk.delta)
    if target.accuracy_loss_points is not None:
        # Rounding may add a little to a loss that is exactly as large as the limit.
        kept = found.accuracy_loss_points <= target.accuracy_loss_points + 1e-9
        return int(np.where(kept, found.macs, np.inf).argmin()) if kept.any() else 0
    name, limit, spent = _budget(found, target)
    if spent.min() > limit:
        raise PlanError(
            f"target: {name} = {limit:g} cannot be met; the least is {spent.min():g}: ask for "
            "that, or take a smaller student"
        )
    return int(np.where(spent <= limit, found.accuracy_loss_points, np.inf).argmin())


def _budget(found: Curve, target: Target) -> tuple[str, float, FloatsJ]:
    if target.mean_macs is not None:
        return "mean_macs", target.mean_macs, found.macs
    assert target.mean_latency_ms is not None
    return "mean_latency_ms", target.mean_latency_ms, found.ns / 1e6
