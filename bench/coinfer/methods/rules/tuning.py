"""Sets the thresholds of a rule for a target, on the calibration split alone."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from coinfer.contract import FloatArray, Kernels
from coinfer.errors import PlanError, UsageError
from coinfer.methods.rules.base import BoolArray, ExitRule, exits_taken, scores_of
from coinfer.methods.rules.candidates import Scheme, Thresholds, candidates
from coinfer.methods.rules.risk import conformal, learn_then_test
from coinfer.training import SplitOutputs, reliability

FloatsJ: TypeAlias = npt.NDArray[np.float64]


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound on the chance that an early answer is wrong where the last one is right.

    Attributes
    ----------
    epsilon_points : float
        In points of all requests.
    delta : float
        Chance that the calibration split misleads; not for ``control = "crc"``.
    control : {"ltt", "crc"}
        Learn then Test, or conformal risk control.
    """

    epsilon_points: float = 0.5
    delta: float = 0.1
    control: Literal["ltt", "crc"] = "ltt"

    def __post_init__(self) -> None:
        if not 0 < self.epsilon_points < 100 or not 0 < self.delta < 1:
            raise UsageError(
                f"risk: epsilon_points = {self.epsilon_points:g}, delta = {self.delta:g}; "
                "use 0 < epsilon_points < 100 and 0 < delta < 1"
            )


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What thresholds are set for: one of these.

    Attributes
    ----------
    accuracy_loss_points : float, optional
        Fewest MACs that lose no more than this against the last exit. Nothing guards it on other
        images: they lose more in about half of all cases.
    risk : Risk, optional
        The most eager thresholds whose risk is bounded.
    mean_macs, mean_latency_ms : float, optional
        Least loss of accuracy that takes no more than this, as the plan predicts it.
    threshold : float, optional
        Taken as it is, for all exits.
    """

    accuracy_loss_points: float | None = None
    risk: Risk | None = None
    mean_macs: float | None = None
    mean_latency_ms: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise UsageError(
                f"target: {' and '.join(given) or 'nothing'} given; give one of "
                f"{', '.join(self.__struct_fields__)}"
            )
        value = getattr(self, given[0])
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"target: {given[0]} = {value} is no number to aim at")


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
