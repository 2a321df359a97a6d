"""Devices, links, faults, workloads and the cost table: what is emulated."""

from coinfer.cluster.devices import Cluster, Device, Link
from coinfer.cluster.faults import Fault, FaultEvent, FaultList, expand
from coinfer.cluster.presets import CLUSTERS, FAULTS
from coinfer.cluster.workload import Workload, arrivals_ns, items

__all__ = [
    "CLUSTERS",
    "FAULTS",
    "Cluster",
    "Device",
    "Fault",
    "FaultEvent",
    "FaultList",
    "Link",
    "Workload",
    "arrivals_ns",
    "expand",
    "items",
]
