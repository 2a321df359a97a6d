"""``local-exit``: a network with several exits on the one device that asks (BranchyNet).

Teerapittayanon et al., ICPR 2016, arXiv 1709.01686. Nothing travels: the source runs a block and
its exit head, asks the rule, and goes on with the rows that have not left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from coinfer.cluster import Cluster
from coinfer.contract import (
    INPUT,
    SOURCE,
    Action,
    Answer,
    Arrival,
    Deployment,
    Evaluate,
    FusionContext,
    Job,
    Replica,
    Scores,
)
from coinfer.errors import PlanError
from coinfer.methods.base import Parameters, Profile, Workshop, head_ns
from coinfer.methods.exits import calibrated, deployed, kept
from coinfer.methods.portions import trained
from coinfer.methods.rows import aligned
from coinfer.methods.rules import RULES, Costs, ExitRule, ExitView, RuleName, Scheme, Target, Tuned
from coinfer.methods.sizing import size_students
from coinfer.models import BackboneSpec, JointSpec, StudentSpec, head_stage, student_stages
from coinfer.training import JointArtifact


class LocalExitParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of ``local-exit``; all but the default rule are [ours].

    Attributes
    ----------
    rule, thresholds, temperature_scaling, target
        As for ``distree``.
    network : {"student", "teacher"}
        The largest student of the list, or a network like the teacher, with exits.
    exits : int
        B, exits of the network, after equal numbers of residual blocks.
    """

    rule: RuleName = "entropy"
    thresholds: Scheme = "shared"
    temperature_scaling: bool = True
    target: Target = Target(accuracy_loss_points=0.3)
    network: Literal["student", "teacher"] = "student"
    exits: int = 3

    def __post_init__(self) -> None:
        if self.exits < 2:
            raise PlanError(f"local-exit: exits = {self.exits}; use at least 2")


@dataclass(frozen=True)
class LocalExitPlan:
    """One network that learns all filters of the teacher."""

    spec: JointSpec
    costs: Costs
    predicted_ns: int
    joint: JointArtifact | None = None
    tuned: Tuned | None = None

    def describe(self) -> dict[str, Any]:
        """The network, what its exits take, and the thresholds."""
        exits = {} if self.tuned is None else {"exit_rule": self.tuned.describe()}
        return {
            "groups": [{"devices": [SOURCE], "runs": self.spec.students[0].name}],
            "exit_macs": list(self.costs.macs),
            "exit_latency_ms": [ns / 1e6 for ns in self.costs.ns],
            **exits,
            **trained(self.joint),
        }


class LocalExit:
    """Early exit without distribution."""

    Parameters = LocalExitParameters
    summary = "a network with several exits on the device that asks; nothing travels"

    def __init__(self, parameters: LocalExitParameters) -> None:
        self._parameters = parameters
        self._rule = RULES[parameters.rule]

    def plan(self, profile: Profile, cluster: Cluster) -> LocalExitPlan:
        """Take the network and add up what its exits cost on the source."""
        teacher, exits = profile.teacher, self._parameters.exits
        network = size_students(profile, exits)[-1].spec
        if self._parameters.network == "teacher":
            like = {name: getattr(teacher.spec, name) for name in BackboneSpec.__struct_fields__}
            network = StudentSpec(**like, exits=exits)
        spec = JointSpec((network,), (teacher.filters,), teacher.shape, teacher.classes)
        costs = _costs(spec, self._rule, cluster)
        return LocalExitPlan(spec, costs, costs.of(self._rule)[1][-1])

    def fit(self, plan: LocalExitPlan, profile: Profile, workshop: Workshop) -> LocalExitPlan:
        """Train all exits jointly, from the teacher as every student is."""
        everything = tuple(range(profile.teacher.filters))
        return replace(plan, joint=workshop.distil(profile, plan.spec.students, [everything]))

    def calibrate(self, plan: LocalExitPlan, profile: Profile, workshop: Workshop) -> LocalExitPlan:
        """Set the thresholds for the target on the calibration split."""
        assert plan.joint is not None
        return replace(plan, tuned=calibrated(self._parameters, plan.joint, plan.costs, workshop))

    def deploy(self, plan: LocalExitPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """Everything at the source."""
        assert plan.joint is not None
        sha = plan.joint.weights_sha256
        rule, thresholds, exits = deployed(plan.tuned, plan.spec.exits)
        stages = kept(student_stages(plan.spec, 0, sha), exits)
        stages += [head_stage(plan.spec, b, sha) for b in exits if b >= rule.first_head]
        return Deployment(
            stages=tuple(stages),
            replicas=tuple(Replica(stage.id, SOURCE) for stage in stages),
            fusion=lambda job: BlockByBlock(job, exits, rule, thresholds),
            predicted_latency_ns=plan.costs.of(rule)[1][exits[-1] - 1],
            notes=plan.describe(),
        )


class BlockByBlock:
    """One job; its rows leave each for itself, and the network goes on with those that are left.

    Parameters
    ----------
    job : Job
    exits : tuple of int
        Exits that are deployed, from 1.
    rule : ExitRule
    thresholds : sequence of float
        One for each exit but the last.
    """

    def __init__(
        self, job: Job, exits: tuple[int, ...], rule: ExitRule, thresholds: Sequence[float]
    ) -> None:
        self._exits = exits
        self._rule = rule
        self._thresholds = dict(zip(exits, thresholds, strict=False))
        self._maps = np.empty((0,), np.float32)
        self._portions: list[Arrival] = []
        self._said: list[dict[int, int]] = []

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Take the next step: a block, its exit head, the decision."""
        if arrival.stage == INPUT:
            return [Evaluate("s0.b1", arrival.rows, (arrival.value,))]
        part = arrival.stage.rpartition(".")[2]
        if part.startswith("head"):
            return self._spoken(int(part.removeprefix("head")), arrival, ctx)
        b = int(part[1:])
        if part.startswith("e"):
            self._portions.append(arrival)
            return self._seen(b, arrival, ctx)
        self._maps = arrival.value
        if b in self._exits:
            return [Evaluate(f"s0.e{b}", arrival.rows, (arrival.value,))]
        return self._go_on(b, arrival.rows, arrival.rows)

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """No timers."""
        return []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """No other device takes part."""
        return []

    def _seen(self, b: int, portion: Arrival, ctx: FusionContext) -> list[Action]:
        """Decide by features, or ask the head first."""
        rows = portion.rows
        if b == self._exits[-1] or self._rule.reads_logits:
            return [Evaluate(f"head{b}", rows, (portion.value,))]
        leaving = self._leaving(b, None, ctx)
        gone = [Evaluate(f"head{b}", leaving, (aligned(portion.value, rows, leaving),))]
        return [*(gone if leaving else []), *self._go_on(b, rows, _but(rows, leaving))]

    def _spoken(self, b: int, logits: Arrival, ctx: FusionContext) -> list[Action]:
        """Answer the rows that leave, and go on with the others."""
        rows = logits.rows
        if b == self._exits[-1] or not self._rule.reads_logits:
            found = ctx.kernels.exit_scores(logits.value).label
            return [Answer(rows, tuple(map(int, found)), exit=b)]
        scores = ctx.kernels.exit_scores(logits.value, temperature=self._rule.temperature(b))
        said = dict(zip(rows, map(int, scores.label), strict=True))
        self._said.append(said)
        leaving = self._leaving(b, scores, ctx)
        gone = [Answer(leaving, tuple(said[row] for row in leaving), exit=b)]
        return [*(gone if leaving else []), *self._go_on(b, rows, _but(rows, leaving))]

    def _go_on(self, b: int, rows: tuple[int, ...], left: tuple[int, ...]) -> list[Action]:
        maps = (aligned(self._maps, rows, left),)
        return [Evaluate(f"s0.b{b + 1}", left, maps)] if left else []

    def _leaving(self, b: int, scores: Scores | None, ctx: FusionContext) -> tuple[int, ...]:
        view = self._features(b) if scores is None else self._answers(b, scores)
        return self._rule.leaving(view, ctx.kernels, self._thresholds[b])

    def _features(self, b: int) -> ExitView:
        """The portion of exit b, and the one before of the same rows."""
        *earlier, here = self._portions
        before = aligned(earlier[-1].value, earlier[-1].rows, here.rows) if earlier else None
        columns = np.arange(here.value.shape[1])
        return ExitView(exit=b, rows=here.rows, features=here.value, before=before, columns=columns)

    def _answers(self, b: int, scores: Scores) -> ExitView:
        """What the heads up to exit b have said."""
        rows = self._portions[-1].rows
        history = np.array([[said[row] for row in rows] for said in self._said], np.int64)
        return ExitView(exit=b, rows=rows, confidence=scores, labels=history)


def _but(rows: tuple[int, ...], leaving: tuple[int, ...]) -> tuple[int, ...]:
    gone = set(leaving)
    return tuple(row for row in rows if row not in gone)


def _costs(spec: JointSpec, rule: type[ExitRule], cluster: Cluster) -> Costs:
    """MACs and time of the source until each exit has answered."""
    macs = {s.id.rpartition(".")[2]: s.macs for s in student_stages(spec, 0, None)}
    heads = [head_stage(spec, b, None).macs for b in range(1, spec.exits + 1)]
    exits = range(1, spec.exits + 1)
    blocks = list(accumulate(macs[f"b{b}"] for b in exits))
    branches = list(accumulate(macs[f"e{b}"] for b in exits))
    asked = list(accumulate(heads)) if rule.reads_logits else heads
    every = tuple(map(sum, zip(blocks, branches, asked, strict=True)))
    alone = tuple(blocks[b - 1] + macs[f"e{b}"] + heads[b - 1] for b in exits)
    times = [tuple(head_ns(cluster, total) for total in totals) for totals in (every, alone)]
    return Costs(every, times[0], alone, times[1])
