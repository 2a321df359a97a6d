"""Grouping, the latency model and RoCoIn's whole plan."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.errors import PlanError
from coinfer.models import StudentSpec
from coinfer.planning import (
    PARTITIONERS,
    PlanDevice,
    StudentOption,
    candidate_groupings,
    device_latency_s,
    group_devices,
    plan_rocoin,
    random_groups,
)
from coinfer.planning.problem import Problem

SMALL = StudentOption(StudentSpec(base=8), macs=670_000, memory_bytes=100_000)
LARGE = StudentOption(StudentSpec(), macs=2_600_000, memory_bytes=350_000)

DEVICES = st.lists(
    st.builds(
        PlanDevice,
        name=st.just("device"),
        macs_per_s=st.floats(1e6, 3e7),
        uplink_bps=st.floats(500, 1000),
        memory_bytes=st.integers(10**5, 10**7),
        failure_probability=st.one_of(st.floats(0, 0.6), st.just(1.0)),
    ),
    min_size=1,
    max_size=9,
)


def cluster(count: int = 8, p: float = 0.1) -> list[PlanDevice]:
    """Half strong, half weak."""
    return [
        PlanDevice(f"d{n}", 15e6 if n < count // 2 else 3e6, 1000 - 50 * n, 10**6, p)
        for n in range(count)
    ]


def graph(filters: int = 32, seed: int = 0) -> np.ndarray:
    weights = np.triu(np.random.default_rng(seed).uniform(size=(filters, filters)), 1)
    return weights + weights.T


@settings(max_examples=150, deadline=None)
@given(devices=DEVICES, d_th=st.floats(0, 2), p_th=st.floats(0.001, 0.5))
def test_every_group_keeps_the_outage_bound(
    devices: list[PlanDevice], d_th: float, p_th: float
) -> None:
    everyone = math.prod(d.failure_probability for d in devices)
    makers = (
        lambda: group_devices(devices, d_th, p_th),
        lambda: random_groups(devices, [1] * len(devices), p_th, seed=1),
    )
    for make in makers:
        if everyone > p_th:
            with pytest.raises(PlanError, match="outage"):
                make()
            continue
        groups = make()
        assert sorted(n for group in groups for n in group) == list(range(len(devices)))
        for group in groups:
            assert math.prod(devices[n].failure_probability for n in group) <= p_th


def test_devices_that_are_alike_are_grouped() -> None:
    devices = cluster(4)
    assert group_devices(devices, 0.2, 0.05) == ((0, 1), (2, 3))
    assert group_devices(devices, 0.0, 1.0) == ((0,), (1,), (2,), (3,))
    assert len(candidate_groupings(devices, 1.0)) > 2


def test_a_risky_group_gets_the_nearest_spare_device() -> None:
    strong = [PlanDevice(f"s{n}", 20e6, 900, 10**6, 0.1) for n in range(3)]
    weak = [PlanDevice("w", 2e6, 600, 10**6, 0.3)]
    groups = group_devices(strong + weak, 0.1, 0.05)
    assert sorted(map(len, groups)) == [2, 2]


def test_the_latency_model_in_closed_form() -> None:
    device = PlanDevice("d", macs_per_s=10e6, uplink_bps=800, memory_bytes=10**6)
    assert device_latency_s(device, LARGE, message_bytes=100) == pytest.approx(0.26 + 1.0)


def test_the_largest_student_that_fits_is_chosen() -> None:
    devices = [PlanDevice("a", 1e7, 800, 10**6), PlanDevice("b", 1e7, 800, 200_000)]

    def chosen(group: tuple[int, ...], deadline_s: float | None = None) -> StudentOption:
        options = [SMALL, LARGE]
        problem = Problem(devices, options, lambda filters: filters, deadline_s, "bottleneck")
        return options[problem.row(group, (10,))[1][0]]

    assert chosen((0,)) is LARGE
    assert chosen((0, 1)) is SMALL
    assert chosen((0,), deadline_s=0.2) is SMALL
    assert chosen((0,), deadline_s=0.001) is SMALL
    with pytest.raises(PlanError, match=r"memory: no student fits b with 200000 bytes"):
        Problem(devices, [LARGE], lambda filters: filters, None, "bottleneck").row((0, 1), (10,))


def test_a_whole_plan_is_consistent() -> None:
    devices = cluster()
    plan = plan_rocoin(devices, graph(), [SMALL, LARGE], lambda filters: filters + 8)
    by_name = {device.name: device for device in devices}
    assert sorted(n for group in plan.groups for n in group.devices) == sorted(by_name)
    assert sorted(f for partition in plan.partitions for f in partition) == list(range(32))
    for group in plan.groups:
        assert group.outage <= 0.05
        message_bytes = len(group.partition) + 8
        for name, seconds in group.latency_s.items():
            assert seconds == device_latency_s(by_name[name], group.student, message_bytes)
        assert group.devices[0] == min(group.latency_s, key=group.latency_s.__getitem__)
    slowest = max(min(group.latency_s.values()) for group in plan.groups)
    assert plan.latency_s == pytest.approx(slowest)
    assert plan.latency_s <= plan.latency_s_by_assignment["bottleneck"]
    by_rule = plan.latency_s_by_assignment
    assert by_rule["bottleneck"] <= min(by_rule["minimum-cost"], by_rule["greedy"])
    assert plan == plan_rocoin(devices, graph(), [SMALL, LARGE], lambda filters: filters + 8)


def test_refinement_takes_load_off_the_slowest_within_its_limit() -> None:
    arguments = (cluster(p=0.0), graph(64), [SMALL], lambda filters: 4 * filters)
    fixed = plan_rocoin(*arguments, epsilon=-100.0)
    refined = plan_rocoin(*arguments, epsilon=0.1)
    assert fixed.moved == 0
    assert refined.moved > 0
    assert refined.latency_s < fixed.latency_s
    assert refined.ncut <= fixed.ncut + 0.1


def test_refinement_leaves_every_partition_two_filters() -> None:
    slow_link = [PlanDevice(f"d{n}", 15e6, 10 if n == 0 else 1000, 10**6, 0.0) for n in range(4)]
    plan = plan_rocoin(
        slow_link, graph(), [SMALL], lambda filters: filters, grouping="single", epsilon=100.0
    )
    assert min(len(partition) for partition in plan.partitions) == 2


def test_ablations_plan_too() -> None:
    arguments = (cluster(), graph(), [SMALL], lambda filters: filters)
    single = plan_rocoin(*arguments, grouping="single", epsilon=0.0)
    assert [len(group.devices) for group in single.groups] == [1] * 8
    random = plan_rocoin(*arguments, grouping="random", assignment="greedy", seed=3)
    assert all(group.outage <= 0.05 for group in random.groups)
    uniform = plan_rocoin(*arguments, partitioner=PARTITIONERS["uniform"], epsilon=-100.0)
    sizes = [len(partition) for partition in uniform.partitions]
    assert max(sizes) - min(sizes) <= 1


def test_a_device_without_memory_is_reported_as_unused() -> None:
    devices = [*cluster(), PlanDevice("tiny", 1e7, 800, 5_000, 0.1)]
    plan = plan_rocoin(devices, graph(), [SMALL], lambda filters: filters)
    assert set(plan.unused) == {"tiny"}
    assert "5000 bytes" in plan.unused["tiny"]


def test_an_impossible_plan_names_what_binds() -> None:
    def planned(**changes: object) -> None:
        arguments: dict[str, object] = {
            "devices": cluster(),
            "graph": graph(),
            "options": [SMALL],
            "portion_bytes": lambda filters: filters,
        }
        plan_rocoin(**(arguments | changes))  # type: ignore[arg-type]

    with pytest.raises(PlanError, match="students"):
        planned(options=[])
    with pytest.raises(PlanError, match="memory"):
        planned(devices=[PlanDevice("tiny", 1e7, 800, 5)])
    with pytest.raises(PlanError, match="outage"):
        planned(p_th=1e-12)
    with pytest.raises(PlanError, match="groups"):
        planned(grouping="single", max_groups=3)


def test_fewest_groups_are_kept_where_the_outage_bound_allows() -> None:
    arguments = (cluster(), graph(), [SMALL], lambda filters: filters + 100)
    assert len(plan_rocoin(*arguments, min_groups=4).groups) >= 4
    most = max(len(groups) for groups in candidate_groupings(cluster(), 0.05))
    assert len(plan_rocoin(*arguments, min_groups=8).groups) == most
