"""Fusion of one-exit portions: what NoNN and RoCoIn do at the source.

The source waits until every partition has arrived once (a group is one or several devices), runs
the head on the concatenation in partition order, and answers. What stands for a partition whose
whole group is lost, or that is late, is the method's parameter ``fusion``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from coinfer.contract import (
    INPUT,
    SOURCE,
    Action,
    Answer,
    Arrival,
    Deployment,
    Evaluate,
    FloatArray,
    FusionContext,
    GiveUp,
    Job,
    Replica,
    Stop,
    Timer,
)
from coinfer.errors import UsageError
from coinfer.methods.base import Parameters, Profile, Workshop
from coinfer.methods.rows import aligned
from coinfer.models import Partition, StudentSpec, any_subset_stage, head_stage, student_stages
from coinfer.training import FusedArtifact, FusionName, JointArtifact

LATE = "late"


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


@dataclass(frozen=True)
class PortionLayout:
    """Which stage brings which part of the concatenated vector, and who can send it.

    Attributes
    ----------
    stages : tuple of str
        Stage of each partition, in partition order.
    filters : tuple of int
        Values of each portion.
    groups : tuple of tuple of str
        Devices that hold a replica of each partition's student.
    """

    stages: tuple[str, ...]
    filters: tuple[int, ...]
    groups: tuple[tuple[str, ...], ...]

    def gather(
        self, got: dict[str, Arrival], rows: tuple[int, ...], fill: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Concatenate what came, row by row.

        Parameters
        ----------
        got : dict of str to Arrival
            By stage.
        rows : tuple of int
            The rows that are wanted.
        fill : ndarray of float32, shape (sum of filters,)
            What stands for the values that did not come.

        Returns
        -------
        vector : ndarray of float32, shape (rows, sum of filters)
        present : ndarray of float32, shape (rows, K)
            One where a portion came, else zero.
        """
        vector = np.tile(fill, (len(rows), 1))
        present = np.zeros((len(rows), len(self.stages)), np.float32)
        start = 0
        for k, (stage, width) in enumerate(zip(self.stages, self.filters, strict=True)):
            arrival = got.get(stage)
            if arrival is not None and arrival.rows == rows:
                vector[:, start : start + width] = arrival.value
                present[:, k] = 1.0
            elif arrival is not None:
                came = np.isin(rows, arrival.rows)
                values = aligned(arrival.value, arrival.rows, rows)
                vector[came, start : start + width] = values[came]
                present[came, k] = 1.0
            start += width
        return vector, present


@dataclass(frozen=True)
class PortionHead:
    """What the source does with portions.

    Attributes
    ----------
    stage : str
        Turns them into logits.
    fill : ndarray of float32, shape (sum of filters,)
        What stands for lost values.
    told : bool
        The stage takes as a second input which portions are there.
    """

    stage: str
    fill: npt.NDArray[np.float32]
    told: bool = False


class PortionFusion:
    """Waits for one portion of each partition; one object a job.

    Parameters
    ----------
    job : Job
    layout : PortionLayout
    head : PortionHead
    patience_ns : int
        How long a partition may stay out before it counts as lost.
    stop_others : bool
        Tell the devices of an answered job to drop what they have not begun.
    """

    def __init__(
        self,
        job: Job,
        layout: PortionLayout,
        head: PortionHead,
        patience_ns: int,
        stop_others: bool = False,
    ) -> None:
        self._rows = job.rows
        self._layout = layout
        self._head = head
        self._patience_ns = patience_ns
        self._stop_others = stop_others
        self._got: dict[str, Arrival] = {}
        self._decided = False
        self._late = False

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Keep a portion; answer when the head is done."""
        if arrival.stage == INPUT:
            return [Timer(self._patience_ns, LATE), *self._proceed(ctx)]
        if arrival.stage == self._head.stage:
            labels = ctx.kernels.exit_scores(arrival.value).label
            present = len(self._got)
            degraded = present < len(self._layout.stages)
            answer = tuple(int(label) for label in labels)
            found = Answer(self._rows, answer, degraded=degraded, present=present)
            return [found, Stop(self._rows)] if self._stop_others else [found]
        if not self._decided:
            self._got[arrival.stage] = arrival
        return self._proceed(ctx)

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """Go on with what is there, or with the first portion that comes."""
        self._late = True
        return self._proceed(ctx)

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """See whether the lost device was the last hope of its partition."""
        return self._proceed(ctx)

    def _proceed(self, ctx: FusionContext) -> Iterable[Action]:
        layout = self._layout
        hoped_for = any(
            stage not in self._got and any(ctx.alive(device) for device in group)
            for stage, group in zip(layout.stages, layout.groups, strict=True)
        )
        enough = self._late and self._got
        return [] if self._decided or (hoped_for and not enough) else self._decide()

    def _decide(self) -> Iterable[Action]:
        self._decided = True
        if not self._got:
            return [GiveUp(self._rows)]
        head = self._head
        vector, present = self._layout.gather(self._got, self._rows, head.fill)
        inputs = (vector, present) if head.told else (vector,)
        return [Evaluate(head.stage, self._rows, inputs)]


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
