"""Fusion of one-exit portions: what NoNN and RoCoIn do at the source.

The source waits until every partition has arrived once (a group is one or several devices), runs
the head on the concatenation in partition order, and answers. A partition whose whole group is
lost, or that is late, is filled with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    Timer,
)
from coinfer.methods.base import Profile
from coinfer.methods.rows import aligned
from coinfer.models import head_stage, student_stages
from coinfer.training import JointArtifact

LATE = "late"


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

    def gather(self, got: dict[str, FloatArray], rows: int) -> FloatArray:
        """Concatenate what came, zeros for the rest; shape (rows, sum of filters)."""
        parts = [
            got.get(stage, np.zeros((rows, width), np.float32))
            for stage, width in zip(self.stages, self.filters, strict=True)
        ]
        return np.concatenate(parts, axis=1)


class PortionFusion:
    """Waits for one portion of each partition; one object a job.

    Parameters
    ----------
    job : Job
    layout : PortionLayout
    head : str
        Stage at the source that turns the vector into logits.
    patience_ns : int
        How long a partition may stay out before zeros stand in for it.
    """

    def __init__(self, job: Job, layout: PortionLayout, head: str, patience_ns: int) -> None:
        self._rows = job.rows
        self._layout = layout
        self._head = head
        self._patience_ns = patience_ns
        self._got: dict[str, FloatArray] = {}
        self._decided = False
        self._late = False

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Keep a portion; answer when the head is done."""
        if arrival.stage == INPUT:
            return [Timer(self._patience_ns, LATE), *self._proceed(ctx)]
        if arrival.stage == self._head:
            labels = ctx.kernels.exit_scores(arrival.value).label
            present = len(self._got)
            degraded = present < len(self._layout.stages)
            answer = tuple(int(label) for label in labels)
            return [Answer(self._rows, answer, degraded=degraded, present=present)]
        if not self._decided:
            self._got[arrival.stage] = aligned(arrival.value, arrival.rows, self._rows)
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
        vector = self._layout.gather(self._got, len(self._rows))
        return [Evaluate(self._head, self._rows, (vector,))]


def deploy_portions(
    joint: JointArtifact,
    groups: Sequence[Sequence[str]],
    profile: Profile,
    predicted_ns: int,
    patience: float,
    notes: dict[str, Any],
) -> Deployment:
    """Deploy one-exit students, each on every device of its group, and the head at the source.

    Parameters
    ----------
    joint : JointArtifact
    groups : sequence of sequence of str
        Devices of each partition.
    profile : Profile
    predicted_ns : int
        What the planner expects without faults.
    patience : float
        A partition counts as late after this many times the prediction [ours].
    notes : dict
        For the report.
    """
    sha = joint.weights_sha256
    students = [student_stages(joint.spec, k, sha)[0] for k in range(len(groups))]
    head = head_stage(joint.spec, 1, sha)
    layout = PortionLayout(
        tuple(stage.id for stage in students),
        joint.spec.filters,
        tuple(tuple(group) for group in groups),
    )

    def fusion(job: Job) -> PortionFusion:
        late_ns = late_after_ns(predicted_ns, patience, profile.deadline_ns, job.size)
        return PortionFusion(job, layout, head.id, late_ns)

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
