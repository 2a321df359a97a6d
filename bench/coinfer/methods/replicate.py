"""``replicate``: one whole small classifier on every device, and the first answer wins.

Of the students' backbones it takes the one with which all replicas together come nearest to what
RoCoIn would spend on the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from coinfer.cluster import Cluster
from coinfer.contract import (
    INPUT,
    Action,
    After,
    Answer,
    Arrival,
    Deployment,
    FusionContext,
    GiveUp,
    Job,
    Now,
    Replica,
    Stage,
    Start,
)
from coinfer.errors import PlanError
from coinfer.methods.base import Profile, Workshop, broadcast_ns, portion_ns
from coinfer.methods.equal_cost import EqualCostParameters, Spent, resident_bytes, rocoin_spends
from coinfer.models import StudentSpec, TeacherSpec, classifier_stage
from coinfer.training import SingleArtifact


class ReplicateParameters(EqualCostParameters, frozen=True, kw_only=True):
    """Parameters of ``replicate``; all are [ours].

    Attributes
    ----------
    hedge_after : float
        The fastest device starts alone, and the others after this many times its predicted
        latency, or as soon as it is known to be lost; 0 starts all at once.
    """

    hedge_after: float = 0.0


@dataclass(frozen=True)
class ReplicatePlan:
    """The same classifier on all of these devices, the fastest first."""

    spent: Spent
    student: StudentSpec
    stage: Stage
    device_ns: Mapping[str, int]
    unused: Mapping[str, str]
    trained: SingleArtifact | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        """The fastest first."""
        return tuple(self.device_ns)

    @property
    def predicted_ns(self) -> int:
        """The fastest device decides."""
        return min(self.device_ns.values())

    def describe(self) -> dict[str, Any]:
        """The one group, and what is left of the difference in cost."""
        by_device = {name: round(ns / 1e6, 3) for name, ns in self.device_ns.items()}
        group = {
            "devices": list(self.devices),
            "runs": TeacherSpec.like(self.student).name,
            "predicted_ms": round(self.predicted_ns / 1e6, 3),
            "predicted_ms_by_device": by_device,
        }
        one = self.trained
        return {
            "groups": [group],
            "unused": dict(self.unused),
            "equal_cost": self.spent.compared([self.stage] * len(self.devices)),
            **({} if one is None else {"validation_accuracy": [one.validation_accuracy]}),
        }


class Replicate:
    """A classifier with replicas."""

    Parameters = ReplicateParameters
    summary = "one small classifier on every device at the cost of rocoin, the first answer wins"

    def __init__(self, parameters: ReplicateParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> ReplicatePlan:
        """Take the backbone that comes nearest to RoCoIn's MACs, on every device that holds it.

        Raises
        ------
        PlanError
            If RoCoIn has no plan there, or no device holds the classifier.
        """
        spent = rocoin_spends(profile, cluster, self._parameters)
        teacher = profile.teacher

        def made(student: StudentSpec) -> Stage:
            spec = TeacherSpec.like(student)
            return classifier_stage("net", spec, teacher.shape, teacher.classes, None)

        def holders(stage: Stage) -> list[str]:
            need = resident_bytes(stage)
            return [n for n in spent.students if cluster.device(n).memory_bytes >= need]

        sized = [(student, made(student)) for student in profile.students]
        student, stage = min(
            sized, key=lambda pair: abs(len(holders(pair[1])) * pair[1].macs / spent.macs - 1)
        )
        devices = holders(stage)
        if not devices:
            raise PlanError(
                f"memory: no device holds a classifier of {resident_bytes(stage)} bytes; raise "
                "memory_bytes"
            )
        payload_bytes = profile.payload_bytes(teacher.classes)
        device_ns = {
            device: broadcast_ns(cluster, device, profile.input_bytes)
            + portion_ns(cluster, device, stage.macs, payload_bytes)
            for device in devices
        }
        too_small = f"its memory does not hold {resident_bytes(stage)} bytes"
        left_out = {n: too_small for n in spent.students if n not in devices}
        return ReplicatePlan(
            spent,
            student,
            stage,
            dict(sorted(device_ns.items(), key=lambda item: item[1])),
            {**spent.unused, **left_out},
        )

    def fit(self, plan: ReplicatePlan, profile: Profile, workshop: Workshop) -> ReplicatePlan:
        """Distil the classifier."""
        return replace(plan, trained=workshop.single(profile, plan.student))

    def calibrate(self, plan: ReplicatePlan, profile: Profile, workshop: Workshop) -> ReplicatePlan:
        """Nothing to set."""
        return plan

    def deploy(self, plan: ReplicatePlan, profile: Profile, cluster: Cluster) -> Deployment:
        """A replica on every device; all but the fastest wait where they are hedges."""
        one = plan.trained
        assert one is not None
        stage = classifier_stage("net", one.spec, one.shape, one.classes, one.weights_sha256)
        first, *others = plan.devices
        delay_ns = round(self._parameters.hedge_after * plan.predicted_ns)
        start = After(delay_ns) if delay_ns else Now()
        hedges = tuple(others) if delay_ns else ()
        return Deployment(
            stages=(stage,),
            replicas=(Replica("net", first), *(Replica("net", d, start) for d in others)),
            fusion=lambda job: FirstAnswer(job, plan.devices, hedges),
            predicted_latency_ns=plan.predicted_ns,
            notes=plan.describe(),
        )


class FirstAnswer:
    """The first replica that answers has answered; one object a job.

    Parameters
    ----------
    job : Job
    devices : tuple of str
        The one that starts first in front.
    hedges : tuple of str
        Those that wait; started at once when the first is known to be lost.
    """

    def __init__(self, job: Job, devices: tuple[str, ...], hedges: tuple[str, ...]) -> None:
        self._rows = job.rows
        self._devices = devices
        self._hedges = hedges

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """See who is there, then the logits of whoever was first."""
        if arrival.stage == INPUT:
            return self._without_lost(ctx)
        labels = ctx.kernels.exit_scores(arrival.value).label
        return [Answer(arrival.rows, tuple(int(label) for label in labels))]

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """No timers: the runtime starts the hedges."""
        return []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """Do not wait for a device that is lost."""
        return self._without_lost(ctx)

    def _without_lost(self, ctx: FusionContext) -> Iterable[Action]:
        if not any(ctx.alive(device) for device in self._devices):
            return [GiveUp(self._rows)]
        if self._hedges and not ctx.alive(self._devices[0]):
            waiting, self._hedges = self._hedges, ()
            return [Start("net", device) for device in waiting if ctx.alive(device)]
        return []
