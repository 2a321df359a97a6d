"""``ensemble``: independent classifiers, whose probabilities are averaged over those that answer.

Each device that RoCoIn would use runs a whole classifier with the backbone of RoCoIn's student
there, so that both cost the same, but for the last layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE, Deployment, Job, ModuleRef, Replica, Stage
from coinfer.methods.base import Profile, Workshop, broadcast_ns, portion_ns
from coinfer.methods.equal_cost import EqualCostParameters, Spent, rocoin_spends
from coinfer.methods.portions import PortionFusion, PortionHead, PortionLayout, late_after_ns
from coinfer.models import TeacherSpec, classifier_stage, stage
from coinfer.training import SingleArtifact


class EnsembleParameters(EqualCostParameters, frozen=True, kw_only=True):
    """Parameters of ``ensemble``; all are [ours].

    Attributes
    ----------
    patience : float
        A member is late after this many times the predicted latency.
    """

    patience: float = 1.5


@dataclass(frozen=True)
class EnsemblePlan:
    """Device n runs member n."""

    spent: Spent
    members: Mapping[str, Stage]
    device_ns: Mapping[str, int]
    trained: tuple[SingleArtifact, ...] = ()

    @property
    def predicted_ns(self) -> int:
        """The slowest member decides; averaging takes no MACs."""
        return max(self.device_ns.values())

    def describe(self) -> dict[str, Any]:
        """Device by device, and what is left of the difference in cost."""
        groups = [
            {
                "devices": [device],
                "runs": TeacherSpec.like(self.spent.students[device]).name,
                "predicted_ms": round(self.device_ns[device] / 1e6, 3),
                "predicted_ms_by_device": {device: round(self.device_ns[device] / 1e6, 3)},
            }
            for device in self.members
        ]
        found = [member.validation_accuracy for member in self.trained]
        return {
            "groups": groups,
            "unused": self.spent.unused,
            "equal_cost": self.spent.compared(list(self.members.values())),
            **({"validation_accuracy": found} if found else {}),
        }


class Ensemble:
    """Independent classifiers, averaged."""

    Parameters = EnsembleParameters
    summary = "independent classifiers at the cost of rocoin, survivors averaged"

    def __init__(self, parameters: EnsembleParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> EnsemblePlan:
        """Give each device that RoCoIn uses a classifier with the backbone it has there.

        Raises
        ------
        PlanError
            If RoCoIn has no plan there.
        """
        spent = rocoin_spends(profile, cluster, self._parameters)
        teacher = profile.teacher
        members = {
            device: classifier_stage(
                f"m{n}", TeacherSpec.like(student), teacher.shape, teacher.classes, None
            )
            for n, (device, student) in enumerate(spent.students.items())
        }
        payload_bytes = profile.payload_bytes(teacher.classes)
        predicted = {
            device: broadcast_ns(cluster, device, profile.input_bytes)
            + portion_ns(cluster, device, member.macs, payload_bytes)
            for device, member in members.items()
        }
        return EnsemblePlan(spent, members, predicted)

    def fit(self, plan: EnsemblePlan, profile: Profile, workshop: Workshop) -> EnsemblePlan:
        """Distil each member by itself; two clusters share members of the same backbone."""
        seen: Counter[str] = Counter()
        trained = []
        for student in plan.spent.students.values():
            trained.append(workshop.single(profile, student, seen[student.name]))
            seen[student.name] += 1
        return replace(plan, trained=tuple(trained))

    def calibrate(self, plan: EnsemblePlan, profile: Profile, workshop: Workshop) -> EnsemblePlan:
        """Nothing to set."""
        return plan

    def deploy(self, plan: EnsemblePlan, profile: Profile, cluster: Cluster) -> Deployment:
        """One member a device, and the mean at the source.

        A missing member's logits are zeros, its probabilities uniform: that adds the same to the
        mean of every class, so the label is that of the members that are there.
        """
        classes = profile.teacher.classes
        stages = [
            classifier_stage(member.id, one.spec, one.shape, one.classes, one.weights_sha256)
            for member, one in zip(plan.members.values(), plan.trained, strict=True)
        ]
        mean = stage(
            "mean",
            ModuleRef(
                "coinfer.models.averaging:mean_probability",
                {"members": len(stages), "classes": classes},
            ),
            [],
            [(len(stages) * classes,)],
            to_source=False,
        )
        layout = PortionLayout(
            tuple(one.id for one in stages),
            (classes,) * len(stages),
            tuple((device,) for device in plan.members),
        )
        head = PortionHead(mean.id, np.zeros(len(stages) * classes, np.float32))
        patience = self._parameters.patience

        def fusion(job: Job) -> PortionFusion:
            late_ns = late_after_ns(plan.predicted_ns, patience, profile.deadline_ns, job.size)
            return PortionFusion(job, layout, head, late_ns)

        members = [
            Replica(one.id, device) for one, device in zip(stages, plan.members, strict=True)
        ]
        return Deployment(
            stages=(*stages, mean),
            replicas=(*members, Replica(mean.id, SOURCE)),
            fusion=fusion,
            predicted_latency_ns=plan.predicted_ns,
            notes=plan.describe(),
        )
