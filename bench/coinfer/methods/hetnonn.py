"""``hetnonn``: NoNN on unequal devices, each with the largest student that fits it.

No replicas, and nothing is planned jointly: partitions are dealt out in the order of the devices.
"""

from __future__ import annotations

from coinfer.cluster import Cluster
from coinfer.errors import PlanError
from coinfer.methods.base import Profile
from coinfer.methods.nonn import NoNN, NoNNParameters, NoNNPlan, plan_singles
from coinfer.methods.sizing import size_students


class HetNoNNParameters(NoNNParameters, frozen=True, kw_only=True):
    """Parameters of ``hetnonn``, which are those of ``nonn``; all are [ours].

    Attributes
    ----------
    compute_budget_ms : float
        A device gets the largest student that fits its memory and that it runs within this time,
        or the smallest where none is in time; 0 asks for the memory alone.
    """


class HetNoNN(NoNN):
    """Network of neural networks with a student for each device's size."""

    Parameters = HetNoNNParameters
    summary = "nonn in which each device runs the largest student that fits it"

    def plan(self, profile: Profile, cluster: Cluster) -> NoNNPlan:
        """Give each device its student; leave out what can hold none.

        Raises
        ------
        PlanError
            If no device can hold the smallest student, or there are fewer filters than devices.
        """
        students = size_students(profile)
        least = min(student.memory_bytes for student in students)
        chosen, unused = {}, {}
        for device in cluster.devices:
            fits = [s for s in students if s.memory_bytes <= device.memory_bytes]
            if not fits:
                unused[device.name] = (
                    f"its {device.memory_bytes} bytes hold no student (the smallest: {least})"
                )
                continue
            budget_macs = device.macs_per_s * self._parameters.compute_budget_ms / 1e3
            in_time = [s for s in fits if s.macs <= budget_macs or not budget_macs]
            chosen[device.name] = (in_time or fits[:1])[-1]
        if not chosen:
            raise PlanError(
                f"memory: no device holds the smallest student of {least} bytes; raise "
                "memory_bytes or offer a smaller student"
            )
        return plan_singles(chosen, unused, self._parameters.partition, profile, cluster)
