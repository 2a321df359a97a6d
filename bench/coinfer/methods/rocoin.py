"""``rocoin``: robust cooperative inference (arXiv 2406.14185).

Devices form groups; every device of a group runs the same student; knowledge partition, grouping
and assignment are planned together for the least latency under an outage bound. The source goes on
as soon as every partition has arrived once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from coinfer.cluster import Cluster
from coinfer.contract import Deployment
from coinfer.methods.base import (
    PartitionRule,
    Profile,
    Workshop,
    broadcast_ns,
    head_ns,
    plan_devices,
    portion_ns,
)
from coinfer.methods.portions import (
    PortionParameters,
    deploy_portions,
    fit_portions,
    fused_notes,
)
from coinfer.methods.sizing import size, size_students
from coinfer.planning import GroupPlan, RocoinPlan, StudentOption, plan_rocoin
from coinfer.training import FusedArtifact


class RoCoInParameters(PortionParameters, frozen=True, kw_only=True):
    """Parameters of ``rocoin``; all are [ours].

    Attributes
    ----------
    outage_bound : float
        ``p_th``: largest probability that all devices of a group fail.
    grouping : {"leader", "random", "single"}
        Follow the leader; or, as ablations, groups of the same sizes at random, and no replicas.
    partition : {"ncut", "louvain", "uniform"}
        Rule that cuts the filters; ``uniform`` is an ablation.
    assignment : {"bottleneck", "minimum-cost", "greedy"}
        Rule that matches groups with partitions; ``greedy`` is an ablation.
    refine : bool
        Whether filters are moved from the slowest group at all; False is an ablation.
    plan_seed : int
        Of what is random in a plan: random groups.
    min_groups : int
        Fewest groups, as far as the outage bound allows. Without it the least latency would be one
        group of all devices: one student, replicated.
    max_groups : int
        Most groups; 0 sets no bound.
    compute_budget_ms : float
        A group's student is the largest with which its fastest device sends within this time.
    epsilon : float
        How much the normalised cut may rise while filters move away from the slowest group.
    least_gain : float
        Share of the latency that moving filters must save to be done at all.
    patience : float
        A partition is late after this many times the latency predicted for the slowest replica.
    stop_others : bool
        When a request is answered, tell the devices to drop what they have not begun of it: slower
        replicas do not fall behind the requests.
    """

    outage_bound: float = 0.01
    grouping: Literal["leader", "random", "single"] = "leader"
    partition: PartitionRule = "ncut"
    assignment: Literal["bottleneck", "minimum-cost", "greedy"] = "bottleneck"
    refine: bool = True
    plan_seed: int = 0
    min_groups: int = 4
    max_groups: int = 0
    compute_budget_ms: float = 100.0
    epsilon: float = 0.1
    least_gain: float = 0.01
    patience: float = 1.5
    stop_others: bool = False


@dataclass(frozen=True)
class RoCoInPlan:
    """Group k runs the student of partition k on all of its devices.

    Attributes
    ----------
    planned : RocoinPlan
    device_ns : tuple of dict of str to int
        Of each group: device to the time until its portion has arrived.
    head_ns : int
    fused : FusedArtifact or None
    """

    planned: RocoinPlan
    device_ns: tuple[Mapping[str, int], ...]
    head_ns: int
    fused: FusedArtifact | None = None

    @property
    def predicted_ns(self) -> int:
        """The slowest group decides, by its first device; then the head answers."""
        return max(min(group.values()) for group in self.device_ns) + self.head_ns

    @property
    def slowest_ns(self) -> int:
        """With all devices lost but the slowest of each group."""
        return max(max(group.values()) for group in self.device_ns) + self.head_ns

    def describe(self) -> dict[str, Any]:
        """Group by group, and what the planner weighed."""
        planned = self.planned
        groups = [
            {
                "devices": list(group.devices),
                "partition": len(group.partition),
                "runs": group.student.spec.name,
                "predicted_ms": round(min(expected.values()) / 1e6, 3),
                "predicted_ms_by_device": {n: round(ns / 1e6, 3) for n, ns in expected.items()},
                "outage": group.outage,
            }
            for group, expected in zip(planned.groups, self.device_ns, strict=True)
        ]
        return {
            "groups": groups,
            "unused": dict(planned.unused),
            "binding": planned.binding,
            "predicted_latency_ms_by_slowest_replicas": round(self.slowest_ns / 1e6, 3),
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

    def plan(self, profile: Profile, cluster: Cluster) -> RoCoInPlan:
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
            seed=asked.plan_seed,
            epsilon=asked.epsilon,
            least_gain=asked.least_gain,
            refine=asked.refine,
            deadline_s=asked.compute_budget_ms / 1e3,
            min_groups=asked.min_groups,
            max_groups=asked.max_groups or None,
            grouping=asked.grouping,
            partitioner=profile.partitioners[asked.partition],
            assignment=asked.assignment,
        )
        return RoCoInPlan(
            planned,
            tuple(_device_ns(group, profile, cluster) for group in planned.groups),
            head_ns(cluster, profile.head_macs(planned.partitions)),
        )

    def fit(self, plan: RoCoInPlan, profile: Profile, workshop: Workshop) -> RoCoInPlan:
        """Distil one student a partition, jointly; replicas share its weights."""
        planned = plan.planned
        students = [group.student.spec for group in planned.groups]
        outages = [group.outage for group in planned.groups]
        fused = fit_portions(
            self._parameters, profile, workshop, students, planned.partitions, outages
        )
        return replace(plan, fused=fused)

    def calibrate(self, plan: RoCoInPlan, profile: Profile, workshop: Workshop) -> RoCoInPlan:
        """Nothing to set."""
        return plan

    def deploy(self, plan: RoCoInPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """Each group's student on all of its devices, the head at the source."""
        assert plan.fused is not None
        return deploy_portions(
            plan.fused,
            [group.devices for group in plan.planned.groups],
            profile,
            plan.predicted_ns,
            plan.slowest_ns,
            self._parameters.patience,
            plan.describe(),
            self._parameters.stop_others,
        )


def _device_ns(group: GroupPlan, profile: Profile, cluster: Cluster) -> dict[str, int]:
    """Time until each device of a group has sent its portion, input broadcast included."""
    filters = len(group.partition)
    payload_bytes = profile.payload_bytes(filters)
    macs = size(profile, group.student.spec, filters).macs
    return {
        device: broadcast_ns(cluster, device, profile.input_bytes)
        + portion_ns(cluster, device, macs, payload_bytes)
        for device in group.devices
    }
