"""Methods of one-exit portions: their parameters, their training, and what they deploy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from coinfer.contract import SOURCE, Deployment, Job, Replica
from coinfer.errors import UsageError
from coinfer.methods.base import Parameters, Profile, Workshop
from coinfer.methods.portion_fusion import PortionFusion, PortionHead, PortionLayout
from coinfer.models import Partition, StudentSpec, any_subset_stage, head_stage, student_stages
from coinfer.training import FusedArtifact, FusionName, JointArtifact


class PortionParameters(Parameters, frozen=True, kw_only=True):
    """What every method of one-exit portions takes; all are [ours].

    Attributes
    ----------
    fusion : {"zero-fill", "mean-fill", "any-subset"}
        What stands for a lost portion: zeros; its mean over the validation split; or nothing, and
        a small network answers that takes the portions and which of them are there.
    partition_dropout : float or "outage"
        Probability that a portion is lost while the students and their head are trained; with
        ``"outage"`` that of each group as it is planned for.
    """

    fusion: FusionName = "zero-fill"
    partition_dropout: float | Literal["outage"] = 0.0

    def __post_init__(self) -> None:
        rate = self.partition_dropout
        if rate != "outage" and not 0 <= rate < 1:
            raise UsageError(f"partition_dropout is below 1 and not negative, or 'outage': {rate}")


def fit_portions(
    parameters: PortionParameters,
    profile: Profile,
    workshop: Workshop,
    students: Sequence[StudentSpec],
    partitions: Sequence[Partition],
    outages: Sequence[float],
) -> FusedArtifact:
    """Distil one student a partition, jointly, and make what the fusion needs.

    Parameters
    ----------
    parameters : PortionParameters
    profile : Profile
    workshop : Workshop
    students : sequence of StudentSpec
    partitions : sequence of Partition
    outages : sequence of float
        Probability that all devices of a partition fail.
    """
    rate = parameters.partition_dropout
    dropout: tuple[float, ...] = ()
    if rate == "outage":
        # Rounded, so that the order of a product does not decide what is trained.
        dropout = tuple(round(outage, 9) for outage in outages)
    elif rate:
        dropout = (rate,)
    joint = workshop.distil(profile, students, partitions, dropout)
    return workshop.fuse(profile, parameters.fusion, joint)


def deploy_portions(
    fused: FusedArtifact,
    groups: Sequence[Sequence[str]],
    profile: Profile,
    predicted_ns: int,
    slowest_ns: int,
    patience: float,
    notes: dict[str, Any],
    stop_others: bool = False,
) -> Deployment:
    """Deploy one-exit students, each on every device of its group, and the head at the source.

    Parameters
    ----------
    fused : FusedArtifact
    groups : sequence of sequence of str
        Devices of each partition.
    profile : Profile
    predicted_ns : int
        What the planner expects without faults.
    slowest_ns : int
        When it expects the slowest replica, for which the source waits where the others are lost.
    patience : float
        A partition counts as late after this many times `slowest_ns` [ours].
    notes : dict
        For the report.
    stop_others : bool
        Whether devices drop what they have not begun when a job is answered.
    """
    joint = fused.joint
    sha = joint.weights_sha256
    students = [student_stages(joint.spec, k, sha)[0] for k in range(len(groups))]
    if fused.head is None:
        head = head_stage(joint.spec, 1, sha)
    else:
        head = any_subset_stage(joint.spec, fused.head.hidden, fused.head.weights_sha256)
    rule = PortionHead(head.id, fused.fill, told=fused.head is not None)
    layout = PortionLayout(
        tuple(stage.id for stage in students),
        joint.spec.filters,
        tuple(tuple(group) for group in groups),
    )

    def fusion(job: Job) -> PortionFusion:
        late_ns = late_after_ns(slowest_ns, patience, profile.deadline_ns, job.size)
        return PortionFusion(job, layout, rule, late_ns, stop_others)

    replicas = [
        Replica(stage.id, device)
        for stage, group in zip(students, groups, strict=True)
        for device in group
    ]
    return Deployment(
        stages=(*students, head),
        replicas=(*replicas, Replica(head.id, SOURCE)),
        fusion=fusion,
        predicted_latency_ns=predicted_ns,
        notes=notes,
    )


def late_after_ns(predicted_ns: int, patience: float, deadline_ns: int, rows: int) -> int:
    """When to stop waiting: some times the prediction, but in time for the deadline [ours].

    The prediction is for one row; a job of several takes at most so many times as long.
    """
    return min(round(predicted_ns * patience * rows), round(deadline_ns * 0.85))


def trained(joint: JointArtifact | None) -> dict[str, Any]:
    """What training reached, exit by exit, where it has been done."""
    return {} if joint is None else {"validation_accuracy": list(joint.validation_accuracy)}


def fused_notes(fused: FusedArtifact | None) -> dict[str, Any]:
    """What training reached and how losses are met, where training has been done."""
    if fused is None:
        return {}
    notes = {**trained(fused.joint), "fusion": fused.fusion}
    if fused.head is not None:
        by_survivors = {str(n): a for n, a in enumerate(fused.head.validation_accuracy, 1)}
        notes["validation_accuracy_by_survivors"] = by_survivors
    return notes
