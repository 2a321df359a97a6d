"""Sets the thresholds of a rule for a target, on the calibration split alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from coinfer.contract import Kernels
from coinfer.errors import PlanError, UsageError
from coinfer.methods.rules.base import ExitRule, IntArray, exits_taken, scores_of
from coinfer.methods.rules.candidates import Scheme, Thresholds, candidates
from coinfer.methods.rules.risk import conformal, learn_then_test
from coinfer.training import SplitOutputs


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


class Tuned(NamedTuple):
    """A rule with its thresholds, and what else could have been chosen.

    Attributes
    ----------
    rule : ExitRule
    candidates : ndarray of float64, shape (J, B − 1)
        From the one that lets nothing out to the most eager.
    points : tuple of Point
        What each candidate did on the calibration split.
    chosen : int
    """

    rule: ExitRule
    candidates: Thresholds
    points: tuple[Point, ...]
    chosen: int

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One for each exit but the last."""
        return tuple(map(float, self.candidates[self.chosen]))

    @property
    def point(self) -> Point:
        """What the chosen thresholds did on the calibration split."""
        return self.points[self.chosen]

    def describe(self) -> dict[str, Any]:
        """JSON values; a threshold that lets nothing out is null."""
        point = self.point
        return {
            "rule": self.rule.name,
            "thresholds": [t if math.isfinite(t) else None for t in self.thresholds],
            "accuracy_loss_points": point.accuracy_loss_points,
            "harm_points": 100 * point.harm,
            "exits": list(point.exits),
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
        return Tuned(rule, made, tuple(points(rule, scores, calibration, made, costs)), 0)
    made = candidates(rule, scores_of(rule, validation, kernels), scheme)
    found = tuple(points(rule, scores, calibration, made, costs))
    return Tuned(rule, made, found, choose(found, target, len(calibration.labels)))


def points(
    rule: ExitRule,
    scores: np.ndarray[Any, np.dtype[np.float32]],
    outputs: SplitOutputs,
    thresholds: Thresholds,
    costs: Costs,
) -> list[Point]:
    """What each candidate does on a split with these scores."""
    right = outputs.right
    macs, ns = costs.of(rule)
    return [
        point(exits_taken(rule, scores, taus), right, np.array(macs), np.array(ns))
        for taus in thresholds
    ]


def point(left: IntArray, right: Any, macs: IntArray, ns: IntArray) -> Point:
    """What rows come to that leave at these exits, counted from 1."""
    early, full = right[left - 1, np.arange(len(left))], right[-1]
    shares = np.bincount(left - 1, minlength=len(right)) / len(left)
    return Point(
        accuracy=float(early.mean()),
        accuracy_loss_points=100 * float(full.mean() - early.mean()),
        harm=float((full & ~early).mean()),
        macs=float(shares @ macs),
        ns=float(shares @ ns),
        exits=tuple(map(float, shares)),
    )


def choose(found: Sequence[Point], target: Target, images: int) -> int:
    """Number of the candidate that the target asks for.

    Parameters
    ----------
    found : sequence of Point
        On the calibration split, the one that lets nothing out first.
    target : Target
    images : int
        How many images the points are of.

    Raises
    ------
    PlanError
        If no candidate takes as little as the target says.
    """
    if target.risk is not None:
        harms = np.rint([images * p.harm for p in found]).astype(np.int64)
        risk = target.risk
        if risk.control == "crc":
            return conformal(harms, images, risk.epsilon_points / 100)
        return learn_then_test(harms, images, risk.epsilon_points / 100, risk.delta)
    if target.accuracy_loss_points is not None:
        kept = [j for j, p in enumerate(found) if p.accuracy_loss_points <= _eased(target)]
        return min(kept, key=lambda j: found[j].macs, default=0)
    name, limit, spent = _budget(found, target)
    within = [j for j, value in enumerate(spent) if value <= limit]
    if not within:
        raise PlanError(
            f"target: {name} = {limit:g} cannot be met; the least is {min(spent):g}: ask for that, "
            "or take a smaller student"
        )
    return min(within, key=lambda j: found[j].accuracy_loss_points)


def _eased(target: Target) -> float:
    """The limit, and what rounding may add to a loss that is exactly as large."""
    assert target.accuracy_loss_points is not None
    return target.accuracy_loss_points + 1e-9


def _budget(found: Sequence[Point], target: Target) -> tuple[str, float, list[float]]:
    if target.mean_macs is not None:
        return "mean_macs", target.mean_macs, [p.macs for p in found]
    assert target.mean_latency_ms is not None
    return "mean_latency_ms", target.mean_latency_ms, [p.ns / 1e6 for p in found]
