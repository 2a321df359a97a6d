"""Exit rules, each a small plug-in over the kernels, and how their thresholds are set."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from coinfer.methods.rules.base import ExitRule, ExitView, exits_taken, scores_of
from coinfer.methods.rules.blind import Fixed, Never, Random
from coinfer.methods.rules.candidates import Scheme, candidates
from coinfer.methods.rules.class_mean import ClassMean
from coinfer.methods.rules.confidence import Energy, Entropy, Margin, MaxProbability
from coinfer.methods.rules.curve import Costs, Curve, Point, curve
from coinfer.methods.rules.feature_difference import FeatureDifference
from coinfer.methods.rules.oracle import Oracle
from coinfer.methods.rules.patience import Patience
from coinfer.methods.rules.target import Risk, Target
from coinfer.methods.rules.tuning import Tuned, choose, tune

RuleName: TypeAlias = Literal[
    "feature-difference",
    "class-mean",
    "max-probability",
    "entropy",
    "margin",
    "energy",
    "patience",
    "fixed",
    "random",
    "never",
]
"""Rules that can be deployed."""

RULES: Final[dict[str, type[ExitRule]]] = {
    rule.name: rule
    for rule in (
        *(FeatureDifference, ClassMean, MaxProbability, Entropy, Margin, Energy),
        *(Patience, Fixed, Random, Oracle, Never),
    )
}
"""All rules by name, the oracle among them."""

__all__ = [
    "RULES",
    "Costs",
    "Curve",
    "ExitRule",
    "ExitView",
    "Point",
    "Risk",
    "RuleName",
    "Scheme",
    "Target",
    "Tuned",
    "candidates",
    "choose",
    "curve",
    "exits_taken",
    "scores_of",
    "tune",
]
