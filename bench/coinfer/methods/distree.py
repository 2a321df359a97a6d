"""``distree``: distributed early exit (arXiv 2502.15735).

Multi-branch students on the most capable devices; after every exit the source asks a rule, of its
own the difference to the features of the exit before, whether the devices go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE, Deployment, Job, Replica, Stage
from coinfer.errors import PlanError
from coinfer.methods.base import Parameters, Profile, Workshop
from coinfer.methods.early_exit import EarlyExit, ExitLayout
from coinfer.methods.exit_costs import Control, exit_costs
from coinfer.methods.portions import late_after_ns, trained
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
from coinfer.methods.sizing import Sized, size_students
from coinfer.models import JointSpec, Partition, StudentSpec, head_stage, student_stages
from coinfer.training import JointArtifact, split_outputs
from coinfer_kernels import backend


class DistrEEParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of ``distree``; but for the rule itself all are [ours].

    Attributes
    ----------
    control : {"strict", "speculative"}
        Whether devices wait for the source after every exit, or go on until they are stopped.
    rule : str
        See `coinfer.methods.rules`. ``never``: the same network without early exits (no exit
        heads, no control messages); ``fixed``: one exit for all, without the others.
    thresholds : {"shared", "budgeted"}
        One threshold for all exits, or MSDNet's, one an exit.
    temperature_scaling : bool
        Divide logits by a temperature that is fitted exit by exit before they are scored.
    target : Target
    devices : int
        How many devices take part, the fastest first.
    exits : int
        B, exits of a student.
    student : str
        Name of a student among those that `students` lists; ``auto``: the largest that fits.
    patience : float
        Portions of an exit are late after this many times the predicted latency.
    """

    control: Control = "strict"
    rule: RuleName = "feature-difference"
    thresholds: Scheme = "shared"
    temperature_scaling: bool = True
    target: Target = Target(accuracy_loss_points=0.3)
    devices: int = 4
    exits: int = 3
    student: str = "auto"
    patience: float = 1.5

    def __post_init__(self) -> None:
        if self.exits < 2 or self.devices < 1:
            raise PlanError(
                f"distree: exits = {self.exits}, devices = {self.devices}; "
                "use at least 2 exits and 1 device"
            )


@dataclass(frozen=True)
class DistrEEPlan:
    """Device n runs the multi-branch student of partition n."""

    devices: tuple[str, ...]
    unused: tuple[str, ...]
    partitions: tuple[Partition, ...]
    student: StudentSpec
    costs: Costs
    predicted_ns: int
    joint: JointArtifact | None = None
    tuned: Tuned | None = None

    def describe(self) -> dict[str, Any]:
        """Device by device, what the exits take, the thresholds, and who is left out."""
        groups = [
            {"devices": [device], "partition": len(partition), "runs": self.student.name}
            for device, partition in zip(self.devices, self.partitions, strict=True)
        ]
        exits = {} if self.tuned is None else {"exit_rule": self.tuned.describe()}
        return {
            "groups": groups,
            "unused": dict.fromkeys(self.unused, "slower than those chosen"),
            "exit_macs": list(self.costs.macs),
            "exit_latency_ms": [ns / 1e6 for ns in self.costs.ns],
            **exits,
            **trained(self.joint),
        }


class DistrEE:
    """Distributed early exit."""

    Parameters = DistrEEParameters
    summary = "multi-branch students; the source stops when successive features agree"

    def __init__(self, parameters: DistrEEParameters) -> None:
        self._parameters = parameters
        self._rule = RULES[parameters.rule]

    def plan(self, profile: Profile, cluster: Cluster) -> DistrEEPlan:
        """Take the fastest devices and cut the filters into as many communities.

        Raises
        ------
        PlanError
            If too few devices can hold the smallest student.
        """
        wanted = self._parameters.devices
        students = self._students(profile)
        able = [d for d in cluster.devices if d.memory_bytes >= students[0].memory_bytes]
        if len(able) < wanted:
            raise PlanError(
                f"{wanted} devices wanted, {len(able)} of {len(cluster.devices)} can hold "
                f"{students[0].memory_bytes} bytes; lower devices or raise memory_bytes"
            )
        ranked = sorted(able, key=lambda d: (-d.macs_per_s, d.name))
        chosen = tuple(sorted(d.name for d in ranked[:wanted]))
        memory_bytes = min(cluster.device(name).memory_bytes for name in chosen)
        student = [s for s in students if s.memory_bytes <= memory_bytes][-1].spec
        partitions = profile.partitions("louvain", wanted)
        unused = tuple(d.name for d in cluster.devices if d.name not in chosen)
        teacher = profile.teacher
        sizes = tuple(len(partition) for partition in partitions)
        spec = JointSpec((student,) * wanted, sizes, teacher.shape, teacher.classes)
        costs = exit_costs(spec, chosen, self._rule, self._parameters.control, profile, cluster)
        predicted = costs.of(self._rule)[1][-1]
        return DistrEEPlan(chosen, unused, partitions, student, costs, predicted)

    def _students(self, profile: Profile) -> list[Sized]:
        students = size_students(profile, exits=self._parameters.exits)
        wanted = self._parameters.student
        named = {student.name: student for student in profile.students}
        if wanted == "auto":
            return students
        if wanted not in named:
            raise PlanError(
                f"distree: student = {wanted!r} is not among students = "
                f"{self._parameters.students!r}; there are {', '.join(named)}"
            )
        spec = msgspec.structs.replace(named[wanted], exits=self._parameters.exits)
        return [s for s in students if s.spec == spec]

    def fit(self, plan: DistrEEPlan, profile: Profile, workshop: Workshop) -> DistrEEPlan:
        """Train all branches of all students jointly."""
        students = [plan.student] * len(plan.partitions)
        return replace(plan, joint=workshop.distil(profile, students, plan.partitions))

    def calibrate(self, plan: DistrEEPlan, profile: Profile, workshop: Workshop) -> DistrEEPlan:
        """Set the thresholds for the target on the calibration split."""
        if self._parameters.rule == "never":
            return plan
        assert plan.joint is not None
        validation, calibration = (
            split_outputs(plan.joint, workshop.zoo, split, data_dir=workshop.data_dir)
            for split in ("validation", "calibration")
        )
        tuned = tune(
            self._rule.learn(validation, self._parameters.temperature_scaling),
            validation,
            calibration,
            self._parameters.target,
            self._parameters.thresholds,
            plan.costs,
            # The definition, whichever back end is under test: a threshold must not depend on it.
            backend.load("reference"),
        )
        return replace(plan, tuned=tuned)

    def deploy(self, plan: DistrEEPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """Blocks and exit heads on the devices, heads at the source."""
        assert plan.joint is not None
        rule = Never() if plan.tuned is None else plan.tuned.rule
        thresholds = () if plan.tuned is None else plan.tuned.thresholds
        spec, sha = plan.joint.spec, plan.joint.weights_sha256
        exits = _asked(rule, thresholds, spec.exits)
        strict = len(exits) > 1 and self._parameters.control == "strict"
        students = [
            _kept(student_stages(spec, k, sha, strict=strict), exits)
            for k in range(len(plan.devices))
        ]
        # What a rule that reads features has no use for is left out.
        heads = [head_stage(spec, b, sha) for b in exits if b >= rule.first_head]
        layout = ExitLayout(plan.devices, spec.filters, exits)
        patience = self._parameters.patience
        predicted_ns = plan.costs.of(rule)[1][exits[-1] - 1]

        def fusion(job: Job) -> EarlyExit:
            late_ns = late_after_ns(predicted_ns, patience, profile.deadline_ns, job.size)
            return EarlyExit(job, layout, rule, thresholds, strict, late_ns)

        return Deployment(
            stages=(*(s for student in students for s in student), *heads),
            replicas=(
                *(
                    Replica(stage.id, device)
                    for student, device in zip(students, plan.devices, strict=True)
                    for stage in student
                ),
                *(Replica(head.id, SOURCE) for head in heads),
            ),
            fusion=fusion,
            predicted_latency_ns=predicted_ns,
            notes=plan.describe(),
        )


def _asked(rule: ExitRule, thresholds: Sequence[float], exits: int) -> tuple[int, ...]:
    """Exits that are deployed: all, or the one at which everything leaves."""
    if not rule.alone:
        return tuple(range(1, exits + 1))
    scores = np.array([[b] for b in range(1, exits)], np.float32)
    return (int(exits_taken(rule, scores, np.array(thresholds))[0]),) if thresholds else (exits,)


def _kept(stages: list[Stage], exits: tuple[int, ...]) -> list[Stage]:
    """Stages of a student without the heads of exits that nobody asks for, nor what follows."""
    wanted = {f"e{b}" for b in exits} | {f"b{b}" for b in range(1, exits[-1] + 1)}
    return [stage for stage in stages if stage.id.rpartition(".")[2] in wanted]
