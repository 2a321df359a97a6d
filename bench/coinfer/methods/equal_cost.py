"""What RoCoIn would spend on a cluster, for rivals that shall cost the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coinfer.cluster import Cluster
from coinfer.contract import Stage
from coinfer.methods.base import Parameters, Profile
from coinfer.methods.rocoin import RoCoIn, RoCoInParameters
from coinfer.models import JointSpec, StudentSpec, head_stage, student_stages


class EqualCostParameters(Parameters, frozen=True, kw_only=True):
    """The plan of ``rocoin`` whose cost is matched: its parameters, with its defaults [ours].

    Attributes
    ----------
    outage_bound, compute_budget_ms : float
    min_groups, max_groups : int
    """

    outage_bound: float = 0.01
    min_groups: int = 4
    max_groups: int = 0
    compute_budget_ms: float = 100.0

    def as_rocoin(self) -> RoCoInParameters:
        """Parameters of that plan."""
        return RoCoInParameters(
            outage_bound=self.outage_bound,
            min_groups=self.min_groups,
            max_groups=self.max_groups,
            compute_budget_ms=self.compute_budget_ms,
        )


class Spent(NamedTuple):
    """What RoCoIn's plan takes.

    Attributes
    ----------
    students : dict of str to StudentSpec
        By device, in the order of the cluster.
    macs, memory_bytes : int
        Of all replicas together, the head's MACs included.
    unused : dict of str to str
        Devices that it leaves out, and why.
    """

    students: dict[str, StudentSpec]
    macs: int
    memory_bytes: int
    unused: dict[str, str]

    def compared(self, stages: Sequence[Stage]) -> dict[str, Any]:
        """How far these stages, one a device, are from it."""
        macs = sum(stage.macs for stage in stages)
        memory_bytes = sum(map(resident_bytes, stages))
        return {
            "rocoin_macs": self.macs,
            "rocoin_memory_bytes": self.memory_bytes,
            "macs_gap_percent": round(100 * (macs / self.macs - 1), 2),
            "memory_gap_percent": round(100 * (memory_bytes / self.memory_bytes - 1), 2),
        }


def rocoin_spends(profile: Profile, cluster: Cluster, parameters: EqualCostParameters) -> Spent:
    """Plan RoCoIn for the same profile and cluster, and sum up what it takes.

    Raises
    ------
    PlanError
        If RoCoIn has no plan there.
    """
    planned = RoCoIn(parameters.as_rocoin()).plan(profile, cluster).planned
    teacher = profile.teacher
    joint = JointSpec(
        tuple(group.student.spec for group in planned.groups),
        tuple(len(group.partition) for group in planned.groups),
        teacher.shape,
        teacher.classes,
    )
    students: Mapping[str, StudentSpec] = {
        device: group.student.spec for group in planned.groups for device in group.devices
    }
    stages = [student_stages(joint, k, None)[0] for k in range(len(planned.groups))]
    replicas = [
        stage for stage, group in zip(stages, planned.groups, strict=True) for _ in group.devices
    ]
    return Spent(
        students={name: students[name] for name in cluster.names if name in students},
        macs=sum(stage.macs for stage in replicas) + head_stage(joint, 1, None).macs,
        memory_bytes=sum(map(resident_bytes, replicas)),
        unused=dict(planned.unused),
    )


def resident_bytes(stage: Stage) -> int:
    """Weights and the largest activation of a stage."""
    return stage.weights_bytes + stage.activation_bytes
