"""``nonn``: one student a device, no replicas (arXiv 1907.11804).

As many partitions as devices, by communities of the activation graph; one identical student,
sized to the weakest device. What stands for a lost portion is a parameter; zeros by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from coinfer.cluster import Cluster
from coinfer.contract import Deployment
from coinfer.errors import PlanError
from coinfer.methods.base import (
    PartitionRule,
    Profile,
    Workshop,
    broadcast_ns,
    head_ns,
    portion_ns,
)
from coinfer.methods.portions import (
    PortionParameters,
    deploy_portions,
    fit_portions,
    fused_notes,
)
from coinfer.methods.sizing import Sized, size, size_students
from coinfer.models import Partition, StudentSpec
from coinfer.training import FusedArtifact


class NoNNParameters(PortionParameters, frozen=True, kw_only=True):
    """Parameters of ``nonn``; all are [ours].

    Attributes
    ----------
    compute_budget_ms : float
        The student is the largest one that the weakest device runs within this time.
    partition : {"louvain", "ncut", "uniform"}
        Rule that cuts the filters.
    patience : float
        A portion is late after this many times the predicted latency.
    """

    compute_budget_ms: float = 60.0
    partition: PartitionRule = "louvain"
    patience: float = 1.5


@dataclass(frozen=True)
class NoNNPlan:
    """Device n runs the student of partition n."""

    devices: tuple[str, ...]
    unused: Mapping[str, str]
    partitions: tuple[Partition, ...]
    students: tuple[StudentSpec, ...]
    device_ns: tuple[int, ...]
    head_ns: int
    outages: tuple[float, ...]
    fused: FusedArtifact | None = None

    @property
    def predicted_ns(self) -> int:
        """The slowest device decides; then the head answers."""
        return max(self.device_ns) + self.head_ns

    def describe(self) -> dict[str, Any]:
        """Device by device."""
        groups = [
            {
                "devices": [device],
                "partition": len(partition),
                "runs": student.name,
                "predicted_ms": round(expected / 1e6, 3),
                "predicted_ms_by_device": {device: round(expected / 1e6, 3)},
                "outage": outage,
            }
            for device, partition, student, expected, outage in zip(
                self.devices,
                self.partitions,
                self.students,
                self.device_ns,
                self.outages,
                strict=True,
            )
        ]
        return {"groups": groups, "unused": dict(self.unused), **fused_notes(self.fused)}


class NoNN:
    """Network of neural networks."""

    Parameters = NoNNParameters
    summary = "one identical student a device, no replicas; lost portions filled"

    def __init__(self, parameters: NoNNParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> NoNNPlan:
        """Cut the filters into communities and size the student to the weakest device.

        Raises
        ------
        PlanError
            If even the smallest student fits no budget of the weakest device.
        """
        weakest = min(cluster.devices, key=lambda d: d.macs_per_s)
        memory_bytes = min(d.memory_bytes for d in cluster.devices)
        student = _largest(
            size_students(profile),
            weakest.macs_per_s * self._parameters.compute_budget_ms / 1e3,
            memory_bytes,
            weakest.name,
        )
        students = dict.fromkeys(cluster.names, student)
        return plan_singles(students, {}, self._parameters.partition, profile, cluster)

    def fit(self, plan: NoNNPlan, profile: Profile, workshop: Workshop) -> NoNNPlan:
        """Distil one student a partition, jointly."""
        fused = fit_portions(
            self._parameters, profile, workshop, plan.students, plan.partitions, plan.outages
        )
        return replace(plan, fused=fused)

    def calibrate(self, plan: NoNNPlan, profile: Profile, workshop: Workshop) -> NoNNPlan:
        """Nothing to set."""
        return plan

    def deploy(self, plan: NoNNPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """One replica of each student, the head at the source."""
        assert plan.fused is not None
        return deploy_portions(
            plan.fused,
            [[device] for device in plan.devices],
            profile,
            plan.predicted_ns,
            plan.predicted_ns,
            self._parameters.patience,
            plan.describe(),
        )


def plan_singles(
    students: Mapping[str, Sized],
    unused: Mapping[str, str],
    rule: str,
    profile: Profile,
    cluster: Cluster,
) -> NoNNPlan:
    """Plan one partition and one student for each of the devices, in the order of the cluster.

    Parameters
    ----------
    students : mapping of str to Sized
        By device.
    unused : mapping of str to str
        Why other devices are left out.
    rule : str
        That cuts the filters.
    profile : Profile
    cluster : Cluster
    """
    devices = tuple(students)
    partitions = profile.partitions(rule, len(devices))
    predicted = tuple(
        broadcast_ns(cluster, device, profile.input_bytes)
        + portion_ns(
            cluster,
            device,
            size(profile, students[device].spec, len(partition)).macs,
            profile.payload_bytes(len(partition)),
        )
        for device, partition in zip(devices, partitions, strict=True)
    )
    return NoNNPlan(
        devices=devices,
        unused=unused,
        partitions=partitions,
        students=tuple(students[device].spec for device in devices),
        device_ns=predicted,
        head_ns=head_ns(cluster, profile.head_macs(partitions)),
        outages=tuple(cluster.device(device).failure_probability for device in devices),
    )


def _largest(students: list[Sized], budget_macs: float, memory_bytes: int, device: str) -> Sized:
    able = [s for s in students if s.macs <= budget_macs and s.memory_bytes <= memory_bytes]
    if not able:
        least = students[0]
        raise PlanError(
            f"the smallest student, {least.spec.name}, takes {least.macs} MACs and "
            f"{least.memory_bytes} bytes; the weakest device {device} allows {budget_macs:.0f} "
            f"MACs and {memory_bytes} bytes; raise compute_budget_ms, macs_per_s or memory_bytes"
        )
    return able[-1]
