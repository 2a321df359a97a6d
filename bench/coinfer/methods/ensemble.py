"""``ensemble``: independent classifiers, whose probabilities are averaged over those that answer.

Each device that RoCoIn would use runs a whole classifier with the backbone of RoCoIn's student
there, so that both cost the same, but for the last layers. Or so many of the fastest devices run
one of a given backbone each: one of them alone is a single distilled student.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE, Deployment, Job, ModuleRef, Replica, Stage
from coinfer.errors import PlanError
from coinfer.methods.base import Profile, Workshop, broadcast_ns, portion_ns
from coinfer.methods.equal_cost import EqualCostParameters, Spent, resident_bytes, rocoin_spends
from coinfer.methods.portion_fusion import PortionFusion, PortionHead, PortionLayout
from coinfer.methods.portions import late_after_ns
from coinfer.methods.sizing import named_student
from coinfer.models import StudentSpec, TeacherSpec, classifier_stage, stage
from coinfer.training import SingleArtifact


class EnsembleParameters(EqualCostParameters, frozen=True, kw_only=True):
    """Parameters of ``ensemble``; all are [ours].

    Attributes
    ----------
    members : int
        So many of the fastest devices that hold one; 0: the devices of RoCoIn's plan, each with
        the backbone that it has there.
    student : str
        Backbone of every member, where `members` is given: the name of a student that `students`
        lists; ``auto``: the smallest one.
    patience : float
        A member is late after this many times the predicted latency.
    """

    members: int = 0
    student: str = "auto"
    patience: float = 1.5

    def __post_init__(self) -> None:
        if self.members < 0 or (self.student != "auto" and not self.members):
            raise PlanError(
                f"ensemble: members = {self.members}, student = {self.student!r}; say how many "
                "members, or leave both out for members as rocoin plans them"
            )


@dataclass(frozen=True)
class EnsemblePlan:
    """Device n runs member n."""

    students: Mapping[str, StudentSpec]
    members: Mapping[str, Stage]
    device_ns: Mapping[str, int]
    unused: Mapping[str, str]
    spent: Spent | None = None
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
                "runs": TeacherSpec.like(self.students[device]).name,
                "predicted_ms": round(self.device_ns[device] / 1e6, 3),
                "predicted_ms_by_device": {device: round(self.device_ns[device] / 1e6, 3)},
            }
            for device in self.members
        ]
        notes: dict[str, Any] = {"groups": groups, "unused": dict(self.unused)}
        if self.spent is not None:
            notes["equal_cost"] = self.spent.compared(list(self.members.values()))
        if self.trained:
            notes["validation_accuracy"] = [one.validation_accuracy for one in self.trained]
        return notes


class Ensemble:
    """Independent classifiers, averaged."""

    Parameters = EnsembleParameters
    summary = "independent classifiers, at the cost of rocoin or as told; survivors averaged"

    def __init__(self, parameters: EnsembleParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> EnsemblePlan:
        """Give each device that RoCoIn uses, or each of the fastest, a classifier.

        Raises
        ------
        PlanError
            If RoCoIn has no plan there, or too few devices hold a member.
        """
        spent = None
        if self._parameters.members:
            students, unused = self._fastest(profile, cluster)
        else:
            spent = rocoin_spends(profile, cluster, self._parameters)
            students, unused = spent.students, spent.unused
        members = {
            device: _member(n, student, profile)
            for n, (device, student) in enumerate(students.items())
        }
        payload_bytes = profile.payload_bytes(profile.teacher.classes)
        predicted = {
            device: broadcast_ns(cluster, device, profile.input_bytes)
            + portion_ns(cluster, device, member.macs, payload_bytes)
            for device, member in members.items()
        }
        return EnsemblePlan(students, members, predicted, unused, spent)

    def _fastest(
        self, profile: Profile, cluster: Cluster
    ) -> tuple[dict[str, StudentSpec], dict[str, str]]:
        """Students by device, and why the others have none."""
        wanted = self._parameters.members
        name = self._parameters.student
        student = profile.students[0] if name == "auto" else named_student(profile, name)
        need = resident_bytes(_member(0, student, profile))
        able = [d for d in cluster.devices if d.memory_bytes >= need]
        if len(able) < wanted:
            raise PlanError(
                f"ensemble: {wanted} members wanted, {len(able)} of {len(cluster.devices)} devices "
                f"can hold {need} bytes; lower members or raise memory_bytes"
            )
        ranked = sorted(able, key=lambda d: (-d.macs_per_s, d.name))
        chosen = [d.name for d in ranked[:wanted]]
        unused = {n: "slower than those chosen" for n in cluster.names if n not in chosen}
        return dict.fromkeys(chosen, student), unused

    def fit(self, plan: EnsemblePlan, profile: Profile, workshop: Workshop) -> EnsemblePlan:
        """Distil each member by itself; two clusters share members of the same backbone."""
        return replace(plan, trained=workshop.singles(profile, list(plan.students.values())))

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


def _member(number: int, student: StudentSpec, profile: Profile) -> Stage:
    """A classifier without weights: what it costs."""
    teacher = profile.teacher
    spec = TeacherSpec.like(student)
    return classifier_stage(f"m{number}", spec, teacher.shape, teacher.classes, None)
