"""RoCoIn's joint plan: groups, partitions, students and who is matched with what [ours]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from coinfer.errors import PlanError
from coinfer.models.specs import Partition
from coinfer.planning.grouping import Groups, candidate_groupings, random_groups
from coinfer.planning.latency import (
    PlanDevice,
    PortionBytes,
    StudentOption,
    choose_student,
    device_latency_s,
    group_latency_s,
    outage,
)
from coinfer.planning.matching import ASSIGNERS, Assignment, Costs
from coinfer.planning.partition import (
    PARTITIONERS,
    Graph,
    Partitioned,
    Partitioner,
    ncut_value,
)

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
    """

    groups: tuple[GroupPlan, ...]
    unused: Mapping[str, str]
    latency_s: float
    latency_s_by_assignment: Mapping[str, float]
    ncut: float
    dropped: Partition
    moved: int
    groupings: int

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Partition of each group."""
        return tuple(group.partition for group in self.groups)


@dataclass(frozen=True)
class _Candidate:
    """Groups and partitions with their assignment: ``assignment[g]`` is the partition of g."""

    groups: Groups
    cut: Partitioned
    assignment: Assignment
    group_s: tuple[float, ...]

    @property
    def latency_s(self) -> float:
        return max(self.group_s)


@dataclass(frozen=True)
class _Problem:
    devices: Sequence[PlanDevice]
    options: Sequence[StudentOption]
    portion_bytes: PortionBytes
    deadline_s: float | None
    rule: str

    def student(self, group: Sequence[int], filters: int) -> StudentOption:
        members = [self.devices[n] for n in group]
        return choose_student(self.options, members, self.portion_bytes(filters), self.deadline_s)

    def costs(self, groups: Groups, partitions: Sequence[Partition]) -> Costs:
        return np.array(
            [
                [
                    group_latency_s(
                        [self.devices[n] for n in group],
                        self.student(group, len(partition)),
                        self.portion_bytes(len(partition)),
                    )
                    for partition in partitions
                ]
                for group in groups
            ]
        )

    def candidate(self, groups: Groups, cut: Partitioned) -> _Candidate:
        costs = self.costs(groups, cut.partitions)
        assignment = ASSIGNERS[self.rule](costs)
        group_s = tuple(float(costs[g, k]) for g, k in enumerate(assignment))
        return _Candidate(groups, cut, assignment, group_s)


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
        ones; a large negative value keeps the partitions as they were cut.
    least_gain : float
        Share of the latency that the refinement must save to be kept: the partitions decide what
        is trained, and should not change for nothing.
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
    least = min((option.memory_bytes for option in options), default=None)
    if least is None:
        raise PlanError("students: no student to choose from; name at least one")
    unused = {
        device.name: f"its {device.memory_bytes} bytes hold no student (the smallest: {least})"
        for device in devices
        if device.memory_bytes < least
    }
    usable = [device for device in devices if device.name not in unused]
    if not usable:
        raise PlanError(f"memory: no device holds the smallest student of {least} bytes")
    problem = _Problem(usable, options, portion_bytes, deadline_s, assignment)
    cut_into = partitioner or PARTITIONERS["ncut"]
    cuts: dict[int, Partitioned] = {}
    # More groups than filters cannot be cut; fewer groups may still work.
    limit = min(max_groups or len(graph), int((graph.sum(axis=1) > 0).sum()))
    groupings = _groupings(usable, grouping, p_th)
    allowed = [groups for groups in groupings if len(groups) <= limit]
    if not allowed:
        fewest = min(len(groups) for groups in groupings)
        raise PlanError(f"groups: no grouping has at most {limit} groups; the fewest are {fewest}")
    most = max(len(groups) for groups in allowed)
    allowed = [groups for groups in allowed if len(groups) >= min(min_groups, most)]
    candidates = []
    for groups in allowed:
        if len(groups) not in cuts:
            cuts[len(groups)] = cut_into(graph, len(groups), seed)
        candidates.append(problem.candidate(groups, cuts[len(groups)]))
    best = min(candidates, key=lambda candidate: (candidate.latency_s, -len(candidate.groups)))
    if grouping == "random":
        sizes = [len(group) for group in best.groups]
        groups = random_groups(usable, sizes, p_th, seed)
        best = problem.candidate(groups, cut_into(graph, len(groups), seed))
    by_rule = _by_rule(problem, best)
    refined, moved = _refined(problem, best, graph, epsilon)
    if refined.latency_s > best.latency_s * (1 - least_gain):
        refined, moved = best, 0
    return RocoinPlan(
        groups=_group_plans(problem, refined),
        unused=unused,
        latency_s=refined.latency_s,
        latency_s_by_assignment=by_rule,
        ncut=refined.cut.ncut,
        dropped=refined.cut.dropped,
        moved=moved,
        groupings=len(groupings),
    )


def _groupings(devices: Sequence[PlanDevice], grouping: Grouping, p_th: float) -> list[Groups]:
    if grouping == "single":
        return [tuple((n,) for n in range(len(devices)))]
    return candidate_groupings(devices, p_th)


def _by_rule(problem: _Problem, best: _Candidate) -> dict[str, float]:
    costs = problem.costs(best.groups, best.cut.partitions)
    return {
        name: max(float(costs[g, k]) for g, k in enumerate(assign(costs)))
        for name, assign in ASSIGNERS.items()
    }


def _refined(
    problem: _Problem, start: _Candidate, graph: Graph, epsilon: float
) -> tuple[_Candidate, int]:
    """Move boundary filters away from the slowest pairs while that helps and Ncut stays near."""
    current, moved = start, 0
    while True:
        step = _one_move(problem, current, graph, start.cut.ncut + epsilon)
        if step is None:
            return current, moved
        current, moved = step, moved + 1


def _one_move(
    problem: _Problem, current: _Candidate, graph: Graph, ncut_limit: float
) -> _Candidate | None:
    by_time = sorted(range(len(current.groups)), key=current.group_s.__getitem__)
    slowest = current.assignment[by_time[-1]]
    giving = current.cut.partitions[slowest]
    if len(giving) < 2:
        return None
    for g in by_time[:-1]:
        k = current.assignment[g]
        taking = current.cut.partitions[k]
        pull = graph[np.ix_(giving, taking)].sum(axis=1) - graph[np.ix_(giving, giving)].sum(axis=1)
        boundary = giving[int(np.argmax(pull))]
        partitions = list(current.cut.partitions)
        partitions[slowest] = tuple(f for f in giving if f != boundary)
        partitions[k] = tuple(sorted((*taking, boundary)))
        ncut = ncut_value(graph, partitions)
        if ncut > ncut_limit:
            continue
        cut = replace(current.cut, partitions=tuple(partitions), ncut=ncut)
        moved = problem.candidate(current.groups, cut)
        if _slowest_first(moved) < _slowest_first(current):
            return moved
    return None


def _slowest_first(plan: _Candidate) -> list[float]:
    # Compared as a list: with two slowest pairs, T falls only after the second move. Rounding
    # keeps the last bits from moving a filter to and fro.
    return sorted((round(seconds, 9) for seconds in plan.group_s), reverse=True)


def _group_plans(problem: _Problem, plan: _Candidate) -> tuple[GroupPlan, ...]:
    made: dict[int, GroupPlan] = {}
    for group, k in zip(plan.groups, plan.assignment, strict=True):
        partition = plan.cut.partitions[k]
        student = problem.student(group, len(partition))
        size = problem.portion_bytes(len(partition))
        members = [problem.devices[n] for n in group]
        latency_s = {d.name: device_latency_s(d, student, size) for d in members}
        fastest_first = tuple(sorted(latency_s, key=latency_s.__getitem__))
        made[k] = GroupPlan(fastest_first, partition, student, latency_s, outage(members))
    return tuple(made[k] for k in sorted(made))
