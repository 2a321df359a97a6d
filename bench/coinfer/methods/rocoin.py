"""``rocoin``: robust cooperative inference (arXiv 2406.14185).

Devices form groups; every device of a group runs the same student; knowledge partition, grouping
and assignment are planned together for the least latency under an outage bound. The source goes on
as soon as every partition has arrived once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from coinfer.cluster import Cluster
from coinfer.contract import Deployment
from coinfer.methods.base import (
    Profile,
    Workshop,
    broadcast_ns,
    plan_devices,
    portion_ns,
)
from coinfer.methods.portions import (
    PortionParameters,
    deploy_portions,
    fit_portions,
    fused_notes,
)
from coinfer.methods.sizing import size_students
from coinfer.planning import GroupPlan, RocoinPlan, StudentOption, plan_rocoin
from coinfer.training import FusedArtifact


class RoCoInParameters(PortionParameters, frozen=True, kw_only=True):
    """Parameters of ``rocoin``; all are [ours].

    Attributes
    ----------
    outage_bound : float
        ``p_th``: largest probability that all devices of a group fail.
    min_groups : int
        Fewest groups, as far as the outage bound allows. Without it the least latency would be one
        group of all devices: one student, replicated.
    compute_budget_ms : float
        A group's student is the largest with which its fastest device sends within this time.
    epsilon : float
        How much the normalised cut may rise while filters move away from the slowest group.
    least_gain : float
        Share of the latency that moving filters must save to be done at all.
    patience : float
        A partition is late after this many times the predicted latency.
    """

    outage_bound: float = 0.01
    min_groups: int = 4
    compute_budget_ms: float = 100.0
    epsilon: float = 0.1
    least_gain: float = 0.01
    patience: float = 1.5


@dataclass(frozen=True)
class _Plan:
    planned: RocoinPlan
    group_ns: tuple[int, ...]
    fused: FusedArtifact | None = None

    @property
    def predicted_ns(self) -> int:
        """The slowest group decides, by its first device."""
        return max(self.group_ns)

    def describe(self) -> dict[str, Any]:
        """Group by group, and what the planner weighed."""
        planned = self.planned
        groups = [
            {
                "devices": list(group.devices),
                "partition": len(group.partition),
                "runs": group.student.spec.name,
                "predicted_ms": round(expected / 1e6, 3),
                "outage": group.outage,
            }
            for group, expected in zip(planned.groups, self.group_ns, strict=True)
        ]
        return {
            "groups": groups,
            "unused": dict(planned.unused),
            "ncut": planned.ncut,
            "filters_dropped": len(planned.dropped),
            "filters_moved": planned.moved,
            "groupings_tried": planned.groupings,
            "latency_ms_by_assignment": {
                name: round(1e3 * s, 3) for name, s in planned.latency_s_by_assignment.items()
            },
            **fused_notes(self.fused),
        }


class RoCoIn:
    """Redundant students on groups of devices, planned jointly."""

    Parameters = RoCoInParameters
    summary = "students replicated on groups of devices; partition and assignment planned jointly"

    def __init__(self, parameters: RoCoInParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> _Plan:
        """Group, partition, assign and refine.

        Raises
        ------
        PlanError
            If the memory, the outage bound or the number of filters cannot be satisfied.
        """
        asked = self._parameters
        header_bytes = max(cluster.link(d.name).header_bytes for d in cluster.devices)
        planned = plan_rocoin(
            plan_devices(cluster),
            profile.teacher.activation_graph,
            [StudentOption(*student) for student in size_students(profile)],
            lambda filters: profile.payload_bytes(filters) + header_bytes,
            p_th=asked.outage_bound,
            epsilon=asked.epsilon,
            least_gain=asked.least_gain,
            deadline_s=asked.compute_budget_ms / 1e3,
            min_groups=asked.min_groups,
            partitioner=profile.partitioners["ncut"],
        )
        expected = tuple(_group_ns(group, profile, cluster) for group in planned.groups)
        return _Plan(planned, expected)

    def fit(self, plan: _Plan, profile: Profile, workshop: Workshop) -> _Plan:
        """Distil one student a partition, jointly; replicas share its weights."""
        planned = plan.planned
        students = [group.student.spec for group in planned.groups]
        outages = [group.outage for group in planned.groups]
        fused = fit_portions(
            self._parameters, profile, workshop, students, planned.partitions, outages
        )
        return replace(plan, fused=fused)

    def calibrate(self, plan: _Plan, profile: Profile, workshop: Workshop) -> _Plan:
        """Nothing to set."""
        return plan

    def deploy(self, plan: _Plan, profile: Profile, cluster: Cluster) -> Deployment:
        """Each group's student on all of its devices, the head at the source."""
        assert plan.fused is not None
        return deploy_portions(
            plan.fused,
            [group.devices for group in plan.planned.groups],
            profile,
            plan.predicted_ns,
            self._parameters.patience,
            plan.describe(),
        )


def _group_ns(group: GroupPlan, profile: Profile, cluster: Cluster) -> int:
    """Time until the first device of a group has sent its portion, input broadcast included."""
    payload_bytes = profile.payload_bytes(len(group.partition))
    return min(
        broadcast_ns(cluster, device, profile.input_bytes)
        + portion_ns(cluster, device, group.student.macs, payload_bytes)
        for device in group.devices
    )
