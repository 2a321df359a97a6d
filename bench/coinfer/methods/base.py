"""What a method is: four steps from a profile to a deployment.

``plan`` decides who runs what, without weights; ``fit`` trains or finds what the plan needs;
``calibrate`` sets thresholds on the calibration split; ``deploy`` hands the runtime stages,
replicas and a fusion rule. A method is one file; others add theirs by an entry point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from coinfer.cluster import Cluster
from coinfer.contract import Deployment
from coinfer.methods.architectures import StudentChoice
from coinfer.models import Partition, StudentSpec, TeacherSpec
from coinfer.planning import Partitioner, PlanDevice
from coinfer.training import (
    FusedArtifact,
    FusionName,
    JointArtifact,
    OnProgress,
    Recipe,
    SingleArtifact,
    TeacherArtifact,
    Zoo,
    fit_fusion,
    fit_joint,
    fit_single,
    free_first,
)
from coinfer_kernels import encoded_size

HEADER_BYTES = 64
"""Of a frame of the kernels; a link charges its own header instead."""

PartitionRule: TypeAlias = Literal["ncut", "louvain", "uniform"]
"""How filters are cut; see `coinfer.planning.PARTITIONERS`."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every method takes.

    Attributes
    ----------
    recipe : str
        Training recipe; ``auto`` takes ``smoke`` for digits and ``quickstart`` otherwise.
    students : {"pair", "zoo"}
        Which list of students a plan picks from; see `coinfer.methods.architectures`.
    """

    recipe: Literal["auto", "smoke", "quickstart", "reference", "full"] = "auto"
    students: StudentChoice = "pair"


@dataclass(frozen=True)
class Profile:
    """What a method plans for.

    Attributes
    ----------
    dataset : str
    teacher : TeacherArtifact
        With its filter activation graph.
    students : tuple of StudentSpec
        The zoo of architectures that a planner may pick from, small to large.
    encoding : str
    deadline_ns : int
    partitioners : mapping of str to callable
        Rules that cut the teacher's filters, by name: ``ncut``, ``louvain``, ``uniform``. They
        keep what they cut in the zoo, since another release of a library may cut otherwise and
        the weights belong to the cut.
    """

    dataset: str
    teacher: TeacherArtifact
    students: tuple[StudentSpec, ...]
    encoding: str
    deadline_ns: int
    partitioners: Mapping[str, Partitioner]

    def partitions(self, rule: str, count: int) -> tuple[Partition, ...]:
        """Cut the teacher's filters into so many parts."""
        cut = self.partitioners[rule](self.teacher.activation_graph, count, 0)
        return cut.partitions

    def head_macs(self, partitions: Sequence[Partition]) -> int:
        """MACs of a fully connected layer from these portions to the classes."""
        return sum(map(len, partitions)) * self.teacher.classes

    def payload_bytes(self, *shape: int) -> int:
        """What a link charges for one row of this shape in the encoding of the cell.

        Sparse encodings are planned for as if no value were zero: how many are is known only
        when the row is there.
        """
        return encoded_size((1, *shape), self.encoding) - HEADER_BYTES

    @property
    def input_bytes(self) -> int:
        """Payload of one input row."""
        return self.payload_bytes(*self.teacher.shape)


@dataclass(frozen=True)
class Workshop:
    """Where models are found or made.

    Attributes
    ----------
    zoo : Zoo
    recipe : Recipe
    train_seed : int
    progress : callable or None
    data_dir : str or None
    """

    zoo: Zoo
    recipe: Recipe
    train_seed: int
    progress: OnProgress | None = None
    data_dir: str | None = None

    def distil(
        self,
        profile: Profile,
        students: Sequence[StudentSpec],
        partitions: Sequence[Partition],
        dropout: tuple[float, ...] = (),
    ) -> JointArtifact:
        """One student a partition, trained jointly, or found in the zoo.

        Parameters
        ----------
        profile : Profile
        students : sequence of StudentSpec
        partitions : sequence of Partition
        dropout : tuple of float
            Probability that a portion is lost during training: one for all, or one a student;
            the recipe's where it is empty.
        """
        recipe = self.recipe.students
        if dropout:
            recipe = msgspec.structs.replace(recipe, portion_dropout=dropout)
        return fit_joint(
            profile.dataset,
            profile.teacher,
            students,
            partitions,
            recipe,
            self.train_seed,
            self.zoo,
            self.progress,
            self.data_dir,
        )

    def fuse(self, profile: Profile, fusion: FusionName, joint: JointArtifact) -> FusedArtifact:
        """Students with what stands for those that are lost, trained or found in the zoo."""
        return fit_fusion(
            fusion,
            joint,
            profile.teacher,
            self.recipe,
            self.train_seed,
            self.zoo,
            self.progress,
            self.data_dir,
        )

    def single(self, profile: Profile, student: StudentSpec, member: int = 0) -> SingleArtifact:
        """A whole classifier with a student's backbone, distilled from the teacher, or found.

        Parameters
        ----------
        profile : Profile
        student : StudentSpec
            Its backbone counts; a classifier has one exit.
        member : int
            Number of the member of an ensemble; each has its own random draws.
        """
        return fit_single(
            profile.dataset,
            profile.teacher,
            TeacherSpec.like(student),
            self.recipe.students,
            self.train_seed,
            self.zoo,
            self.progress,
            self.data_dir,
            member,
        )

    def singles(
        self, profile: Profile, students: Sequence[StudentSpec]
    ) -> tuple[SingleArtifact, ...]:
        """Whole classifiers, each by itself; those with the same backbone are numbered.

        What another process trains comes last, so that several can share them.
        """
        seen: Counter[str] = Counter()
        makes = []
        for student in students:
            makes.append(partial(self.single, profile, student, seen[student.name]))
            seen[student.name] += 1
        return tuple(free_first(self.zoo, makes))


class Plan(Protocol):
    """What every plan can tell."""

    @property
    def predicted_ns(self) -> int:
        """Latency without faults, jitter at its mean, the input broadcast counted."""
        ...

    def describe(self) -> dict[str, Any]:
        """Groups, partitions, who is left out and why: JSON values, for people and reports."""
        ...


PlanT = TypeVar("PlanT", bound=Plan)


class Method(Protocol, Generic[PlanT]):
    """A method, made from its parameters.

    Attributes
    ----------
    Parameters : type
        A struct with a default for every choice that the papers leave open.
    summary : str
        One line for ``coinfer list methods``.
    """

    Parameters: type[Parameters]
    summary: str

    def __init__(self, parameters: Any) -> None: ...

    def plan(self, profile: Profile, cluster: Cluster) -> PlanT:
        """Who runs which student of which partition; no weights."""
        ...

    def fit(self, plan: PlanT, profile: Profile, workshop: Workshop) -> PlanT:
        """The plan with its models, from the zoo or freshly trained."""
        ...

    def calibrate(self, plan: PlanT, profile: Profile, workshop: Workshop) -> PlanT:
        """The plan with its thresholds, from the calibration split only."""
        ...

    def deploy(self, plan: PlanT, profile: Profile, cluster: Cluster) -> Deployment:
        """Stages, replicas and fusion rule."""
        ...


def plan_devices(cluster: Cluster) -> list[PlanDevice]:
    """Devices as planners see them."""
    return [
        PlanDevice(
            name=device.name,
            macs_per_s=device.macs_per_s,
            uplink_bps=cluster.link(device.name).up_bps,
            memory_bytes=device.memory_bytes,
            failure_probability=device.failure_probability,
        )
        for device in cluster.devices
    ]


def head_ns(cluster: Cluster, macs: int) -> int:
    """Time of the source for its head."""
    return round(macs * 1e9 / cluster.source_macs_per_s)


def broadcast_ns(cluster: Cluster, device: str, payload_bytes: int) -> int:
    """Time for an input to reach a device: transmission and latency, half the jitter."""
    link = cluster.link(device)
    bits = 8 * (payload_bytes + link.header_bytes)
    return round(bits * 1e9 / link.down_bps + (link.latency_ms + link.jitter_ms / 2) * 1e6)


def portion_ns(cluster: Cluster, device: str, macs: int, payload_bytes: int) -> int:
    """Time to compute a portion and send it back: ``F_j / c_n + Q_k / r_n`` and the latency."""
    link = cluster.link(device)
    bits = 8 * (payload_bytes + link.header_bytes)
    compute_ns = macs * 1e9 / cluster.device(device).macs_per_s
    transfer_ns = bits * 1e9 / link.up_bps + (link.latency_ms + link.jitter_ms / 2) * 1e6
    return round(compute_ns + transfer_ns)
