"""What methods with exits share: their thresholds, and which of the exits are deployed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from coinfer.contract import Stage
from coinfer.methods.base import Workshop
from coinfer.methods.rules import (
    RULES,
    Costs,
    ExitRule,
    RuleName,
    Scheme,
    Target,
    Tuned,
    exits_taken,
    tune,
)
from coinfer.methods.rules.blind import Never
from coinfer.training import JointArtifact, split_outputs
from coinfer_kernels import backend


class ExitParameters(Protocol):
    """The parameters that say how rows leave; see `coinfer.methods.distree`."""

    @property
    def rule(self) -> RuleName:
        """Name of the rule."""
        ...

    @property
    def thresholds(self) -> Scheme:
        """One for all exits, or one an exit."""
        ...

    @property
    def temperature_scaling(self) -> bool:
        """Whether logits are divided by a fitted temperature."""
        ...

    @property
    def target(self) -> Target:
        """What thresholds are set for."""
        ...


def calibrated(
    parameters: ExitParameters, joint: JointArtifact, costs: Costs, workshop: Workshop
) -> Tuned | None:
    """Learn the rule on the validation split and set its thresholds on the calibration split."""
    if parameters.rule == "never":
        return None
    validation, calibration = (
        split_outputs(joint, workshop.zoo, split, data_dir=workshop.data_dir)
        for split in ("validation", "calibration")
    )
    return tune(
        RULES[parameters.rule].learn(validation, parameters.temperature_scaling),
        validation,
        calibration,
        parameters.target,
        parameters.thresholds,
        costs,
        # The definition, whichever back end is under test: a threshold must not depend on it.
        backend.load("reference"),
    )


def deployed(
    tuned: Tuned | None, exits: int
) -> tuple[ExitRule, tuple[float, ...], tuple[int, ...]]:
    """The rule, its thresholds, and the exits that are deployed: all, or the one that answers."""
    if tuned is None:
        return Never(), (), (exits,)
    rule, thresholds = tuned.rule, tuned.thresholds
    if not rule.alone:
        return rule, thresholds, tuple(range(1, exits + 1))
    scores = np.array([[b] for b in range(1, exits)], np.float32)
    return rule, thresholds, (int(exits_taken(rule, scores, np.array(thresholds))[0]),)


def kept(stages: Sequence[Stage], exits: tuple[int, ...]) -> list[Stage]:
    """Stages of a student without the heads of exits that nobody asks for, nor what follows."""
    wanted = {f"e{b}" for b in exits} | {f"b{b}" for b in range(1, exits[-1] + 1)}
    return [stage for stage in stages if stage.id.rpartition(".")[2] in wanted]
