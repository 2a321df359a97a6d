"""Planning: who runs which student of which partition; pure functions on plain values."""

from coinfer.planning.graph import activation_graph
from coinfer.planning.grouping import candidate_groupings, group_devices, random_groups
from coinfer.planning.latency import (
    PlanDevice,
    PortionBytes,
    StudentOption,
    device_latency_s,
    outage,
)
from coinfer.planning.matching import (
    ASSIGNERS,
    assign_bottleneck,
    assign_greedy,
    assign_minimum_cost,
)
from coinfer.planning.partition import (
    PARTITIONERS,
    Partitioned,
    Partitioner,
    ncut_value,
    partition_louvain,
    partition_ncut,
    partition_uniform,
)
from coinfer.planning.rocoin import GroupPlan, RocoinPlan, plan_rocoin

__all__ = [
    "ASSIGNERS",
    "PARTITIONERS",
    "GroupPlan",
    "Partitioned",
    "Partitioner",
    "PlanDevice",
    "PortionBytes",
    "RocoinPlan",
    "StudentOption",
    "activation_graph",
    "assign_bottleneck",
    "assign_greedy",
    "assign_minimum_cost",
    "candidate_groupings",
    "device_latency_s",
    "group_devices",
    "ncut_value",
    "outage",
    "partition_louvain",
    "partition_ncut",
    "partition_uniform",
    "plan_rocoin",
    "random_groups",
]
