"""``distree``: distributed early exit (arXiv 2502.15735).

Multi-branch students on the most capable devices; after every exit the source asks a rule, of its
own the difference to the features of the exit before, whether the devices go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE, Deployment, Job, Replica
from coinfer.errors import PlanError
from coinfer.methods.base import Parameters, Profile, Workshop
from coinfer.methods.early_exit import EarlyExit
from coinfer.methods.exit_costs import Control, exit_costs
from coinfer.methods.exits import calibrated, deployed, kept
from coinfer.methods.gathered import ExitLayout
from coinfer.methods.portions import late_after_ns, trained
from coinfer.methods.qos import Controller, QoS, rungs
from coinfer.methods.rules import RULES, Costs, RuleName, Scheme, Target, Tuned
from coinfer.methods.sizing import Sized, named_student, size_students
from coinfer.models import JointSpec, Partition, StudentSpec, head_stage, student_stages
from coinfer.training import JointArtifact


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
    qos : QoS
        A latency to hold, for which a controller opens the exits.
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
    qos: QoS = QoS()

    def __post_init__(self) -> None:
        if self.exits < 2 or self.devices < 1:
            raise PlanError(
                f"distree: exits = {self.exits}, devices = {self.devices}; "
                "use at least 2 exits and 1 device"
            )
        if self.qos.held and RULES[self.rule].alone:
            raise PlanError(
                f"distree: qos has nothing to open under rule = {self.rule!r}, whose rows all "
                "leave at one exit; take another rule, such as max-probability"
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
        wanted = self._parameters.student
        if wanted != "auto":
            # The others may have too few blocks for so many exits.
            profile = replace(profile, students=(named_student(profile, wanted),))
        return size_students(profile, exits=self._parameters.exits)

    def fit(self, plan: DistrEEPlan, profile: Profile, workshop: Workshop) -> DistrEEPlan:
        """Train all branches of all students jointly."""
        students = [plan.student] * len(plan.partitions)
        return replace(plan, joint=workshop.distil(profile, students, plan.partitions))

    def calibrate(self, plan: DistrEEPlan, profile: Profile, workshop: Workshop) -> DistrEEPlan:
        """Set the thresholds for the target on the calibration split."""
        assert plan.joint is not None
        return replace(plan, tuned=calibrated(self._parameters, plan.joint, plan.costs, workshop))

    def deploy(self, plan: DistrEEPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """Blocks and exit heads on the devices, heads at the source."""
        assert plan.joint is not None
        spec, sha = plan.joint.spec, plan.joint.weights_sha256
        rule, thresholds, exits = deployed(plan.tuned, spec.exits)
        strict = len(exits) > 1 and self._parameters.control == "strict"
        students = [
            kept(student_stages(spec, k, sha, strict=strict), exits)
            for k in range(len(plan.devices))
        ]
        # At the deadline any exit may have to answer, also one at which the rule lets nothing out.
        heads = [head_stage(spec, b, sha) for b in exits]
        layout = ExitLayout(plan.devices, spec.filters, exits)
        patience = self._parameters.patience
        predicted_ns = plan.costs.of(rule)[1][exits[-1] - 1]

        def fusion(job: Job, controller: Controller | None = None) -> EarlyExit:
            late_ns = late_after_ns(predicted_ns, patience, profile.deadline_ns, job.size)
            return EarlyExit(job, layout, rule, thresholds, strict, late_ns, controller)

        def of_run() -> Callable[[Job], EarlyExit]:
            assert plan.tuned is not None
            return partial(fusion, controller=Controller(self._parameters.qos, rungs(plan.tuned)))

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
            of_run=of_run if self._parameters.qos.held else None,
        )
