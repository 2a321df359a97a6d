"""RoCoIn's joint plan: groups, partitions, students and who is matched with what [ours]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from coinfer.errors import PlanError
from coinfer.models.specs import Partition
from coinfer.planning.exchange import exchanged
from coinfer.planning.grouping import Groups, candidate_groupings, random_groups
from coinfer.planning.latency import PlanDevice, PortionBytes, StudentOption, device_latency_s
from coinfer.planning.matching import ASSIGNERS
from coinfer.planning.partition import PARTITIONERS, Graph, Partitioned, Partitioner
from coinfer.planning.problem import Candidate, Problem
from coinfer.planning.refine import refined

_SHORTLIST = 8
"""Groupings for which the filters are really cut."""

_EXCHANGED = 6
"""Of these, the ones whose devices are exchanged, the fastest first."""

Grouping = Literal["leader", "random", "single"]


@dataclass(frozen=True)
class GroupPlan:
    """One group and what it runs, redundantly.

    Attributes
    ----------
    devices : tuple of str
        The fastest first.
    partition : Partition
    student : StudentOption
    latency_s : Mapping[str, float]
        ``t_n(j, k)`` of each device.
    outage : float
        ``∏ p_n``.
    """

    devices: tuple[str, ...]
    partition: Partition
    student: StudentOption
    latency_s: Mapping[str, float]
    outage: float


@dataclass(frozen=True)
class RocoinPlan:
    """The plan.

    Attributes
    ----------
    groups : tuple of GroupPlan
        In partition order: group k runs student k.
    unused : Mapping[str, str]
        Device to the reason.
    latency_s : float
        ``T = max_k min_n t_n``, without input broadcast and head.
    latency_s_by_assignment : Mapping[str, float]
        T of the same groups and partitions under each assignment rule, before refinement.
    ncut : float
        After refinement.
    dropped : Partition
        Isolated filters.
    moved : int
        Filters moved by the refinement.
    groupings : int
        Distinct groupings that were tried.
    binding : str
        What kept the plan from the groups that were asked for; empty where nothing did.
    """

    groups: tuple[GroupPlan, ...]
    unused: Mapping[str, str]
    latency_s: float
    latency_s_by_assignment: Mapping[str, float]
    ncut: float
    dropped: Partition
    moved: int
    groupings: int
    binding: str = ""

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Partition of each group."""
        return tuple(group.partition for group in self.groups)


def plan_rocoin(
    devices: Sequence[PlanDevice],
    graph: Graph,
    options: Sequence[StudentOption],
    portion_bytes: PortionBytes,
    *,
    p_th: float = 0.05,
    seed: int = 0,
    epsilon: float = 0.1,
    least_gain: float = 0.01,
    refine: bool = True,
    deadline_s: float | None = None,
    min_groups: int = 1,
    max_groups: int | None = None,
    grouping: Grouping = "leader",
    partitioner: Partitioner | None = None,
    assignment: str = "bottleneck",
) -> RocoinPlan:
    """Plan groups, partitions, students and their matching for the least latency.

    Parameters
    ----------
    devices : sequence of PlanDevice
    graph : ndarray, shape (F, F)
        The teacher's activation graph.
    options : sequence of StudentOption
    portion_bytes : callable
    p_th : float
        Largest outage of a group; ignored for single devices.
    seed : int
    epsilon : float
        How much the normalised cut may rise while filters move from the slowest pair to faster
        ones.
    least_gain : float
        Share of the latency that the refinement must save to be kept: the partitions decide what
        is trained, and should not change for nothing.
    refine : bool
        Whether filters are moved at all; False is an ablation.
    deadline_s : float, optional
        Prefer students that answer in this time; None picks the largest that fits the memory.
    min_groups : int
        Fewest groups; where the outage bound allows no grouping of so many, those with the most
        are kept. At 1 the least latency is often one group of all devices.
    max_groups : int, optional
    grouping : {"leader", "random", "single"}
        ``random`` (groups of the same sizes) and ``single`` (no replication) are ablations.
    partitioner : callable, optional
        Normalised cut by default; others are in `PARTITIONERS`.
    assignment : str
        One of `ASSIGNERS`.

    Raises
    ------
    PlanError
        If the memory, the outage bound, the filters or `max_groups` cannot be satisfied.
    """
    usable, unused = _usable(devices, options)
    ranked = sorted(options, key=lambda option: (option.macs, option.memory_bytes))
    problem = Problem(usable, ranked, portion_bytes, deadline_s, assignment)
    groupings = _groupings(usable, grouping, p_th, min_groups)
    # More groups than filters cannot be cut; fewer groups may still work.
    connected = int((graph.sum(axis=1) > 0).sum())
    limit = min(max_groups or connected, connected)
    allowed, binding = _allowed(groupings, min_groups, limit, p_th)
    cuts = _Cuts(partitioner or PARTITIONERS["ncut"], graph, seed)
    found = [
        problem.candidate(groups, cuts.into(len(groups)))
        for groups in _shortlist(problem, allowed, connected)
    ]
    if grouping == "leader":
        found.sort(key=lambda candidate: candidate.latency_s)
        found[:_EXCHANGED] = [exchanged(problem, start, p_th) for start in found[:_EXCHANGED]]
    best = min(found, key=lambda candidate: (candidate.latency_s, -len(candidate.groups)))
    if grouping == "random":
        sizes = [len(group) for group in best.groups]
        groups = random_groups(usable, sizes, p_th, seed)
        best = problem.candidate(groups, cuts.into(len(groups)))
    final, moved = refined(problem, best, graph, epsilon) if refine else (best, 0)
    if final.latency_s > best.latency_s * (1 - least_gain):
        final, moved = best, 0
    return RocoinPlan(
        groups=_group_plans(problem, final),
        unused=unused,
        latency_s=final.latency_s,
        latency_s_by_assignment=_by_rule(problem, best),
        ncut=final.cut.ncut,
        dropped=final.cut.dropped,
        moved=moved,
        groupings=len(groupings),
        binding=binding,
    )


def _usable(
    devices: Sequence[PlanDevice], options: Sequence[StudentOption]
) -> tuple[list[PlanDevice], dict[str, str]]:
    """Devices that hold a student, and why the others are left out."""
    least = min((option.memory_bytes for option in options), default=None)
    if least is None:
        raise PlanError("students: no student to choose from; name at least one")
    unused = {
        device.name: f"its {device.memory_bytes} bytes hold no student (the smallest: {least})"
        for device in devices
        if device.memory_bytes < least
    }
    usable = [device for device in devices if device.memory_bytes >= least]
    if not usable:
        raise PlanError(f"memory: no device holds the smallest student of {least} bytes")
    return usable, unused


def _groupings(
    devices: Sequence[PlanDevice], grouping: Grouping, p_th: float, min_groups: int
) -> list[Groups]:
    if grouping == "single":
        return [tuple((n,) for n in range(len(devices)))]
    return candidate_groupings(devices, p_th, min_groups)


def _allowed(
    groupings: Sequence[Groups], min_groups: int, limit: int, p_th: float
) -> tuple[list[Groups], str]:
    """Groupings with as many groups as asked for, or the most there can be and what binds."""
    within = [groups for groups in groupings if len(groups) <= limit]
    if not within:
        fewest = min(len(groups) for groups in groupings)
        raise PlanError(f"groups: no grouping has at most {limit} groups; the fewest are {fewest}")
    most = max(len(groups) for groups in within)
    binding = ""
    if most < min_groups:
        binding = f"min_groups = {min_groups}, but {_what_binds(most, limit, p_th)}"
    return [groups for groups in within if len(groups) >= min(min_groups, most)], binding


def _what_binds(most: int, limit: int, p_th: float) -> str:
    if most == limit:
        return f"at most {limit} are allowed (connected filters, max_groups)"
    return f"the outage bound {p_th:.3g} allows {most}"


def _shortlist(problem: Problem, groupings: Sequence[Groups], filters: int) -> list[Groups]:
    """The most promising groupings, judged with partitions of equal size.

    Cutting the filters into every number of groups that hundreds of devices allow takes minutes.
    """
    if len(groupings) <= _SHORTLIST:
        return list(groupings)

    def latency_s(groups: Groups) -> float:
        share, more = divmod(filters, len(groups))
        parts = tuple(tuple(range(share + (k < more))) for k in range(len(groups)))
        return problem.candidate(groups, Partitioned(parts, (), 0.0)).latency_s

    return sorted(groupings, key=latency_s)[:_SHORTLIST]


@dataclass(frozen=True)
class _Cuts:
    """Cuts the filters into each number of partitions once."""

    cut: Partitioner
    graph: Graph
    seed: int
    _known: dict[int, Partitioned] = field(default_factory=dict)

    def into(self, k: int) -> Partitioned:
        if k not in self._known:
            self._known[k] = self.cut(self.graph, k, self.seed)
        return self._known[k]


def _by_rule(problem: Problem, best: Candidate) -> dict[str, float]:
    costs = problem.costs(best.groups, best.cut)
    return {
        name: max(float(costs[g, k]) for g, k in enumerate(assign(costs)))
        for name, assign in ASSIGNERS.items()
    }


def _group_plans(problem: Problem, plan: Candidate) -> tuple[GroupPlan, ...]:
    made: dict[int, GroupPlan] = {}
    for group, k in zip(plan.groups, plan.assignment, strict=True):
        partition = plan.cut.partitions[k]
        student = problem.options[problem.row(group, plan.cut.sizes)[1][k]]
        size = problem.portion_bytes(len(partition))
        members = [problem.devices[n] for n in group]
        latency_s = {d.name: device_latency_s(d, student, size) for d in members}
        fastest_first = tuple(sorted(latency_s, key=latency_s.__getitem__))
        risk = problem.risk(group)
        made[k] = GroupPlan(fastest_first, partition, student, latency_s, risk)
    return tuple(made[k] for k in sorted(made))
