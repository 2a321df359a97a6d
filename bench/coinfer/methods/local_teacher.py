"""``local-teacher``: the whole teacher on one device. Lost when that device is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from coinfer.cluster import Cluster
from coinfer.contract import (
    INPUT,
    Action,
    Answer,
    Arrival,
    Deployment,
    FusionContext,
    GiveUp,
    Job,
    Replica,
    Stage,
)
from coinfer.errors import PlanError
from coinfer.methods.base import Parameters, Profile, Workshop, broadcast_ns, portion_ns
from coinfer.models import teacher_stage


class LocalTeacherParameters(Parameters, frozen=True, kw_only=True):
    """Parameters of ``local-teacher``.

    Attributes
    ----------
    device : {"strongest", "weakest"}
        Which device of the cluster runs it.
    """

    device: Literal["strongest", "weakest"] = "strongest"


@dataclass(frozen=True)
class _Plan:
    stage: Stage
    device: str
    predicted_ns: int
    runs: str

    def describe(self) -> dict[str, Any]:
        """The one device."""
        by_device = {self.device: round(self.predicted_ns / 1e6, 3)}
        group = {"devices": [self.device], "runs": self.runs, "predicted_ms_by_device": by_device}
        return {"groups": [group]}


class LocalTeacher:
    """The teacher, uncompressed, on one device."""

    Parameters = LocalTeacherParameters
    summary = "the whole teacher on one device"

    def __init__(self, parameters: LocalTeacherParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> _Plan:
        """Pick the fastest or the slowest device that can hold the teacher.

        Raises
        ------
        PlanError
            If no device has the memory.
        """
        teacher = profile.teacher
        stage = teacher_stage(teacher.spec, teacher.shape, teacher.classes, teacher.weights_sha256)
        need = stage.weights_bytes + stage.activation_bytes
        able = [d for d in cluster.devices if d.memory_bytes >= need]
        if not able:
            most = max(d.memory_bytes for d in cluster.devices)
            raise PlanError(
                f"the teacher needs {need} bytes and the largest device has {most}; "
                "give a device more memory_bytes"
            )
        pick = max if self._parameters.device == "strongest" else min
        device = pick(able, key=lambda d: d.macs_per_s).name
        answer_bytes = profile.payload_bytes(teacher.classes)
        predicted = broadcast_ns(cluster, device, profile.input_bytes)
        predicted += portion_ns(cluster, device, stage.macs, answer_bytes)
        return _Plan(stage, device, predicted, teacher.spec.name)

    def fit(self, plan: _Plan, profile: Profile, workshop: Workshop) -> _Plan:
        """Nothing more: the teacher is part of the profile."""
        return plan

    def calibrate(self, plan: _Plan, profile: Profile, workshop: Workshop) -> _Plan:
        """Nothing to set."""
        return plan

    def deploy(self, plan: _Plan, profile: Profile, cluster: Cluster) -> Deployment:
        """One stage, one replica."""
        return Deployment(
            stages=(plan.stage,),
            replicas=(Replica(plan.stage.id, plan.device),),
            fusion=lambda job: OneAnswer(job, plan.device),
            predicted_latency_ns=plan.predicted_ns,
            notes=plan.describe(),
        )


class OneAnswer:
    """The one device's logits are the answer; without the device there is none."""

    def __init__(self, job: Job, device: str) -> None:
        self._rows = job.rows
        self._device = device

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Answer with the largest logit."""
        if arrival.stage == INPUT:
            return [] if ctx.alive(self._device) else [GiveUp(self._rows)]
        labels = ctx.kernels.exit_scores(arrival.value).label
        return [Answer(arrival.rows, tuple(int(label) for label in labels))]

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """No timers."""
        return []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """Give up when the one device is lost."""
        return [GiveUp(self._rows)] if device == self._device and not alive else []
