"""The whole planner against brute force on small clusters, partitions given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from coinfer.errors import PlanError
from coinfer.models import StudentSpec
from coinfer.planning import Partitioned, PlanDevice, StudentOption, plan_rocoin
from coinfer.planning.covering import cover

INSTANCES = 300
MOST_GROUPS = 3
FILTERS = 24


def set_partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    first, *rest = items
    for parts in set_partitions(rest):
        yield [[first], *parts]
        for place in range(len(parts)):
            yield [*parts[:place], [first, *parts[place]], *parts[place + 1 :]]


class Instance:
    """Random devices, students, partitions and bounds."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        count = int(draw.integers(2, 6))
        self.devices = [
            PlanDevice(
                f"d{n}",
                macs_per_s=float(draw.uniform(2.5e6, 15e6)),
                uplink_bps=float(draw.uniform(500, 1000)),
                memory_bytes=int(draw.uniform(80_000, 800_000)),
                failure_probability=float(draw.choice([0.02, 0.05, 0.1, 0.3, 0.6])),
            )
            for n in range(count)
        ]
        students = int(draw.integers(1, 4))
        self.options = [
            StudentOption(StudentSpec(base=8 + j), int(macs), int(macs / 7))
            for j, macs in enumerate(np.sort(draw.uniform(0.5e6, 5e6, students)))
        ]
        self.options[0] = StudentOption(self.options[0].spec, self.options[0].macs, 60_000)
        self.p_th = float(draw.choice([0.003, 0.01, 0.05, 0.2]))
        self.min_groups = int(draw.integers(1, MOST_GROUPS + 1))
        self.deadline_s = [None, 0.6, 1.2][int(draw.integers(3))]
        self.cuts = {}
        for k in range(1, MOST_GROUPS + 1):
            ends = np.sort(draw.choice(np.arange(1, FILTERS), k - 1, replace=False)).tolist()
            parts = itertools.pairwise([0, *ends, FILTERS])
            self.cuts[k] = tuple(tuple(range(a, b)) for a, b in parts)

    def seconds(self, group: list[int], filters: int) -> float:
        """By the definition: the most capable student that fits and, if one is, is in time."""
        members = [self.devices[n] for n in group]
        fits = [o for o in self.options if all(o.memory_bytes <= d.memory_bytes for d in members)]
        times = {
            o.macs: min(o.macs / d.macs_per_s + 8 * filters / d.uplink_bps for d in members)
            for o in fits
        }
        in_time = [m for m, t in times.items() if self.deadline_s is None or t <= self.deadline_s]
        return times[max(in_time) if in_time else min(times)]

    def groupings(self) -> list[list[list[int]]]:
        """Every grouping that keeps the outage bound."""
        return [
            groups
            for groups in set_partitions(list(range(len(self.devices))))
            if len(groups) <= MOST_GROUPS
            and all(
                math.prod(self.devices[n].failure_probability for n in g) <= self.p_th
                for g in groups
            )
        ]

    def best_s(self) -> tuple[int, float] | None:
        """Most groups that are possible up to the wanted number, and the least latency."""
        groupings = self.groupings()
        if not groupings:
            return None
        least = min(self.min_groups, max(map(len, groupings)))
        return least, min(
            max(self.seconds(g, len(p)) for g, p in zip(groups, order, strict=True))
            for groups in groupings
            if len(groups) >= least
            for order in itertools.permutations(self.cuts[len(groups)])
        )

    def planned(self):
        return plan_rocoin(
            self.devices,
            np.ones((FILTERS, FILTERS)) - np.eye(FILTERS),
            self.options,
            lambda filters: filters,
            p_th=self.p_th,
            deadline_s=self.deadline_s,
            min_groups=self.min_groups,
            max_groups=MOST_GROUPS,
            partitioner=lambda graph, k, seed: Partitioned(self.cuts[k], (), 0.0),
            refine=False,
        )


def test_the_plan_is_near_the_best_there_is() -> None:
    gaps = []
    for seed in range(INSTANCES):
        instance = Instance(seed)
        best = instance.best_s()
        if best is None:
            with pytest.raises(PlanError, match=r"outage: all \d devices together"):
                instance.planned()
            continue
        least, best_s = best
        plan = instance.planned()
        assert len(plan.groups) >= least
        assert bool(plan.binding) == (least < instance.min_groups)
        gaps.append(plan.latency_s / best_s - 1)
        assert gaps[-1] >= -1e-12
    assert len(gaps) >= 200
    assert max(gaps) <= 0.25
    assert np.mean(gaps) <= 0.05


@pytest.mark.parametrize("seed", range(40))
def test_a_packing_is_found_wherever_there_is_one(seed: int) -> None:
    draw = np.random.default_rng(seed)
    chances = draw.uniform(0.01, 0.9, int(draw.integers(1, 8))).tolist()
    p_th = float(draw.uniform(0.01, 0.3))
    possible = {
        len(groups)
        for groups in set_partitions(list(range(len(chances))))
        if all(math.prod(chances[n] for n in g) <= p_th for g in groups)
    }
    for count in range(1, len(chances) + 1):
        found = cover(chances, count, p_th)
        assert (found is not None) == (count in possible)
        if found is not None:
            assert sorted(n for group in found for n in group) == list(range(len(chances)))
            assert len(found) == count
            assert all(math.prod(chances[n] for n in group) <= p_th for group in found)


def test_what_keeps_the_plan_from_more_groups_is_named() -> None:
    devices = [PlanDevice(f"d{n}", 1e7, 800, 10**6, 0.1) for n in range(4)]
    option = StudentOption(StudentSpec(), 10**6, 1000)

    def planned(filters: int, p_th: float, min_groups: int) -> str:
        graph = np.ones((filters, filters)) - np.eye(filters)
        bounds = {"p_th": p_th, "min_groups": min_groups}
        return plan_rocoin(devices, graph, [option], lambda n: n, **bounds).binding

    assert planned(16, 0.02, 2) == ""
    assert planned(16, 0.02, 4) == "min_groups = 4, but the outage bound 0.02 allows 2"
    assert planned(3, 0.5, 4) == (
        "min_groups = 4, but at most 3 are allowed (connected filters, max_groups)"
    )
