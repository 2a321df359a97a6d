"""``distree``: distributed early exit (arXiv 2502.15735).

Multi-branch students on the most capable devices; after every exit the source compares the
aggregated features with those of the exit before and decides whether the devices go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE, Deployment, Job, Replica, Stage
from coinfer.errors import PlanError
from coinfer.methods.base import Parameters, Profile, Workshop, broadcast_ns, portion_ns
from coinfer.methods.early_exit import EarlyExit, ExitLayout
from coinfer.methods.exit_rules import Threshold, calibrate_threshold
from coinfer.methods.portions import late_after_ns, trained
from coinfer.methods.sizing import size_students
from coinfer.models import JointSpec, Partition, StudentSpec, head_stage, student_stages
from coinfer.training import JointArtifact, calibration_outputs
from coinfer_kernels import backend

CONTROL_BYTES = 16
"""About what a permit takes; for the prediction only, the runtime counts real bytes."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the threshold is set for.

    Attributes
    ----------
    accuracy_loss_points : float
        Against the last exit, on the calibration split.
    """

    accuracy_loss_points: float = 0.3


class DistrEEParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of ``distree``; but for the rule itself all are [ours].

    Attributes
    ----------
    control : {"strict", "speculative"}
        Whether devices wait for the source after every exit, or go on until they are stopped.
    rule : {"feature-difference", "never"}
        ``never``: the same network without early exits (no exit heads, no control messages).
    target : Target
    devices : int
        How many devices take part, the fastest first.
    exits : int
        B, exits of a student.
    patience : float
        Portions of an exit are late after this many times the predicted latency.
    """

    control: Literal["strict", "speculative"] = "strict"
    rule: Literal["feature-difference", "never"] = "feature-difference"
    target: Target = Target()
    devices: int = 4
    exits: int = 3
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
    predicted_ns: int
    joint: JointArtifact | None = None
    threshold: Threshold | None = None

    def describe(self) -> dict[str, Any]:
        """Device by device, the threshold, and who is left out."""
        groups = [
            {"devices": [device], "partition": len(partition), "runs": self.student.name}
            for device, partition in zip(self.devices, self.partitions, strict=True)
        ]
        threshold = {} if self.threshold is None else {"threshold": self.threshold._asdict()}
        unused = dict.fromkeys(self.unused, "slower than those chosen")
        return {"groups": groups, "unused": unused, **threshold, **trained(self.joint)}


class DistrEE:
    """Distributed early exit with the feature-difference rule."""

    Parameters = DistrEEParameters
    summary = "multi-branch students; the source stops when successive features agree"

    def __init__(self, parameters: DistrEEParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> DistrEEPlan:
        """Take the fastest devices and cut the filters into as many communities.

        Raises
        ------
        PlanError
            If too few devices can hold the smallest student.
        """
        wanted = self._parameters.devices
        students = size_students(profile, exits=self._parameters.exits)
        able = [d for d in cluster.devices if d.memory_bytes >= students[0].memory_bytes]
        if len(able) < wanted:
            raise PlanError(
                f"{wanted} devices wanted, {len(able)} of {len(cluster.devices)} can hold "
                f"{students[0].memory_bytes} bytes; lower devices or raise memory_bytes"
            )
        ranked = sorted(able, key=lambda d: (-d.macs_per_s, d.name))
        chosen = sorted(d.name for d in ranked[:wanted])
        memory_bytes = min(cluster.device(name).memory_bytes for name in chosen)
        student = [s for s in students if s.memory_bytes <= memory_bytes][-1]
        partitions = profile.partitions("louvain", wanted)
        predicted = self._predict_ns(chosen, partitions, student.spec, profile, cluster)
        unused = tuple(d.name for d in cluster.devices if d.name not in chosen)
        return DistrEEPlan(tuple(chosen), unused, partitions, student.spec, predicted)

    def fit(self, plan: DistrEEPlan, profile: Profile, workshop: Workshop) -> DistrEEPlan:
        """Train all branches of all students jointly."""
        students = [plan.student] * len(plan.partitions)
        return replace(plan, joint=workshop.distil(profile, students, plan.partitions))

    def calibrate(self, plan: DistrEEPlan, profile: Profile, workshop: Workshop) -> DistrEEPlan:
        """Set the threshold for the target on the calibration split."""
        if self._parameters.rule == "never":
            return plan
        assert plan.joint is not None
        outputs = calibration_outputs(plan.joint, workshop.zoo, workshop.data_dir)
        # The definition, whichever back end is under test: a threshold must not depend on it.
        reference = backend.load("reference")
        threshold = calibrate_threshold(
            outputs,
            self._parameters.target.accuracy_loss_points,
            lambda previous, current: reference.feature_change(previous, current, "l2"),
        )
        return replace(plan, threshold=threshold)

    def deploy(self, plan: DistrEEPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """Blocks and exit heads on the devices, one head an exit at the source."""
        assert plan.joint is not None
        early = self._parameters.rule != "never"
        strict = early and self._parameters.control == "strict"
        spec, sha = plan.joint.spec, plan.joint.weights_sha256
        last = spec.exits
        exits = tuple(range(1, last + 1)) if early else (last,)
        students = [
            _kept(student_stages(spec, k, sha, strict=strict), exits)
            for k in range(len(plan.devices))
        ]
        # A difference needs two exits: the first one has no use for a head.
        heads = [head_stage(spec, b, sha) for b in exits if b > 1]
        layout = ExitLayout(plan.devices, spec.filters, exits)
        patience = self._parameters.patience
        tau = plan.threshold.value if plan.threshold is not None else -1.0

        def fusion(job: Job) -> EarlyExit:
            late_ns = late_after_ns(plan.predicted_ns, patience, profile.deadline_ns, job.size)
            return EarlyExit(job, layout, tau, strict, late_ns)

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
            predicted_latency_ns=plan.predicted_ns,
            notes=plan.describe(),
        )

    def _predict_ns(
        self,
        devices: list[str],
        partitions: tuple[Partition, ...],
        student: StudentSpec,
        profile: Profile,
        cluster: Cluster,
    ) -> int:
        """Latency up to the last exit: the slowest device of every step between two decisions."""
        teacher = profile.teacher
        sizes = tuple(len(partition) for partition in partitions)
        spec = JointSpec((student,) * len(devices), sizes, teacher.shape, teacher.classes)
        early = self._parameters.rule != "never"
        exits = range(1, spec.exits + 1) if early else range(spec.exits, spec.exits + 1)
        macs = [
            {s.id.rpartition(".")[2]: s.macs for s in student_stages(spec, k, None)}
            for k in range(len(devices))
        ]
        steps_ns = [max(broadcast_ns(cluster, d, profile.input_bytes) for d in devices)]
        waiting = early and self._parameters.control == "strict"
        begun = 0
        for b in exits:
            if not waiting and b < spec.exits:
                continue
            run = [f"b{i}" for i in range(begun + 1, b + 1)]
            run += [f"e{i}" for i in exits if begun < i <= b]
            begun = b
            steps_ns.append(
                max(
                    portion_ns(
                        cluster,
                        d,
                        sum(macs[k][name] for name in run),
                        profile.payload_bytes(sizes[k]),
                    )
                    for k, d in enumerate(devices)
                )
            )
            if b < spec.exits:
                steps_ns.append(max(broadcast_ns(cluster, d, CONTROL_BYTES) for d in devices))
        return sum(steps_ns)


def _kept(stages: list[Stage], exits: tuple[int, ...]) -> list[Stage]:
    """Stages of a student without the heads of exits that nobody asks for."""
    heads = {f"e{b}" for b in exits}
    return [
        stage
        for stage in stages
        if (part := stage.id.rpartition(".")[2]).startswith("b") or part in heads
    ]
