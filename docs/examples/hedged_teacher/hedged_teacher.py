"""``hedged``: the teacher on the fastest device, and on the second fastest when that is late.

A complete method in one file, from outside the coinfer package. The second replica is a hedge: the
source starts it only when the first has not answered after a while, or is known to be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    Replica,
    Stage,
    Start,
)
from coinfer.errors import PlanError
from coinfer.methods import Parameters, Profile, Workshop
from coinfer.methods.base import broadcast_ns, portion_ns
from coinfer.models import teacher_stage


class HedgedParameters(Parameters, frozen=True, kw_only=True):
    """What a suite file may set under ``[method.<variant>]``.

    Attributes
    ----------
    hedge_after : float
        The second replica starts after this many times the predicted latency of the first.
    """

    hedge_after: float = 1.5


@dataclass(frozen=True)
class HedgedPlan:
    """Who runs the teacher first, who second, and when."""

    stage: Stage
    first: str
    second: str
    predicted_ns: int
    hedge_ns: int

    def describe(self) -> dict[str, Any]:
        """For ``coinfer plan``, and to be kept with the results."""
        return {"first": self.first, "second": self.second, "hedge_ms": self.hedge_ns / 1e6}


class HedgedTeacher:
    """The teacher on the fastest device, hedged by the second fastest."""

    Parameters = HedgedParameters
    summary = "the teacher on the fastest device; on the second one when that is late"

    def __init__(self, parameters: HedgedParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> HedgedPlan:
        """Pick the two fastest devices that can hold the teacher."""
        teacher = profile.teacher
        stage = teacher_stage(teacher.spec, teacher.shape, teacher.classes, teacher.weights_sha256)
        need = stage.weights_bytes + stage.activation_bytes
        able = [d for d in cluster.devices if d.memory_bytes >= need]
        if len(able) < 2:
            raise PlanError(
                f"hedged: two devices must hold {need} bytes, {len(able)} can; raise memory_bytes"
            )
        first, second = (d.name for d in sorted(able, key=lambda d: -d.macs_per_s)[:2])
        predicted_ns = broadcast_ns(cluster, first, profile.input_bytes) + portion_ns(
            cluster, first, stage.macs, profile.payload_bytes(teacher.classes)
        )
        hedge_ns = round(self._parameters.hedge_after * predicted_ns)
        return HedgedPlan(stage, first, second, predicted_ns, hedge_ns)

    def fit(self, plan: HedgedPlan, profile: Profile, workshop: Workshop) -> HedgedPlan:
        """Nothing to train: the profile brings the teacher."""
        return plan

    def calibrate(self, plan: HedgedPlan, profile: Profile, workshop: Workshop) -> HedgedPlan:
        """No thresholds."""
        return plan

    def deploy(self, plan: HedgedPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """One stage on two devices; the second replica waits."""
        return Deployment(
            stages=(plan.stage,),
            replicas=(
                Replica(plan.stage.id, plan.first),
                Replica(plan.stage.id, plan.second, After(plan.hedge_ns)),
            ),
            fusion=lambda job: FirstAnswer(job, plan),
            predicted_latency_ns=plan.predicted_ns,
            notes=plan.describe(),
        )


class FirstAnswer:
    """Whichever replica answers first has answered; one object a job."""

    def __init__(self, job: Job, plan: HedgedPlan) -> None:
        self._rows = job.rows
        self._plan = plan

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """See the input first, then the logits of the replica that was faster."""
        if arrival.stage == INPUT:
            return [] if ctx.alive(self._plan.first) else self._turn_to_second(ctx)
        labels = ctx.kernels.exit_scores(arrival.value).label
        return [Answer(arrival.rows, tuple(int(label) for label in labels))]

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """No timers of its own: the runtime starts the hedge."""
        return []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """Do not wait for the hedge where the first device is known to be lost."""
        return [] if ctx.alive(self._plan.first) else self._turn_to_second(ctx)

    def _turn_to_second(self, ctx: FusionContext) -> Iterable[Action]:
        if ctx.alive(self._plan.second):
            return [Start(self._plan.stage.id, self._plan.second)]
        return [GiveUp(self._rows)]
