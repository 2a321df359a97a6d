"""What a plan is judged by: who runs which student, how long each group takes, and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from coinfer.errors import PlanError
from coinfer.planning.grouping import Groups
from coinfer.planning.latency import PlanDevice, PortionBytes, StudentOption, outage
from coinfer.planning.matching import ASSIGNERS, Assignment, Costs
from coinfer.planning.partition import Partitioned

Row = tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]
"""Seconds that a group takes for each partition, and the student that it then runs."""


@dataclass(frozen=True)
class Candidate:
    """Groups and partitions with their assignment: ``assignment[g]`` is the partition of g."""

    groups: Groups
    cut: Partitioned
    assignment: Assignment
    group_s: tuple[float, ...]

    @property
    def latency_s(self) -> float:
        """``T = max_g min_n t_n``."""
        return max(self.group_s)

    def slowest_first(self) -> list[float]:
        """Seconds of all groups, descending.

        Compared as a list: with two slowest groups, T falls only after the second step. Rounding
        keeps the last bits from moving something to and fro.
        """
        return sorted((round(seconds, 9) for seconds in self.group_s), reverse=True)


@dataclass(frozen=True)
class Problem:
    """Devices, students and what binds them.

    Attributes
    ----------
    devices : sequence of PlanDevice
    options : sequence of StudentOption
        From the least capable to the most.
    portion_bytes : callable
    deadline_s : float or None
    rule : str
        One of `ASSIGNERS`.
    """

    devices: Sequence[PlanDevice]
    options: Sequence[StudentOption]
    portion_bytes: PortionBytes
    deadline_s: float | None
    rule: str
    _rows: dict[tuple[tuple[int, ...], tuple[int, ...]], Row] = field(default_factory=dict)

    def risk(self, group: Sequence[int]) -> float:
        """``∏ p_n`` of a group."""
        return outage([self.devices[n] for n in group])

    def row(self, group: tuple[int, ...], sizes: tuple[int, ...]) -> Row:
        """Seconds and student of a group for partitions of these sizes.

        The student is the most capable that fits the smallest memory of the group and, where one
        does, lets its fastest device answer within the deadline; else the least.

        Raises
        ------
        PlanError
            If no student fits the memory.
        """
        key = (group, sizes)
        if key not in self._rows:
            self._rows[key] = self._row(group, sizes)
        return self._rows[key]

    def _row(self, group: tuple[int, ...], sizes: tuple[int, ...]) -> Row:
        members = [self.devices[n] for n in group]
        smallest = min(members, key=lambda device: device.memory_bytes)
        memory = np.array([option.memory_bytes for option in self.options])
        fits = np.flatnonzero(memory <= smallest.memory_bytes)
        if not len(fits):
            raise PlanError(
                f"memory: no student fits {smallest.name} with {smallest.memory_bytes} bytes (the "
                f"smallest needs {memory.min()}); offer a smaller student or leave the device out"
            )
        speed = np.array([device.macs_per_s for device in members])
        uplink = np.array([device.uplink_bps for device in members])
        bits = 8 * np.array([self.portion_bytes(size) for size in sizes])
        compute = np.array([option.macs for option in self.options])[fits, None] / speed
        seconds = (compute[:, None, :] + (bits[:, None] / uplink)[None]).min(axis=2)
        in_time = seconds <= (np.inf if self.deadline_s is None else self.deadline_s)
        last = len(fits) - 1 - np.argmax(in_time[::-1], axis=0)
        chosen = np.where(in_time.any(axis=0), last, 0)
        return seconds[chosen, np.arange(len(sizes))], fits[chosen]

    def costs(self, groups: Groups, cut: Partitioned) -> Costs:
        """Seconds of every group with every partition, shape (K, K)."""
        sizes = cut.sizes
        return np.stack([self.row(group, sizes)[0] for group in groups])

    def candidate(self, groups: Groups, cut: Partitioned) -> Candidate:
        """Groups and partitions matched by the rule."""
        costs = self.costs(groups, cut)
        assignment = ASSIGNERS[self.rule](costs)
        seconds = tuple(costs[np.arange(len(costs)), list(assignment)].tolist())
        return Candidate(groups, cut, assignment, seconds)
