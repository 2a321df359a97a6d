"""Devices, links, faults, workloads and the cost table: what is emulated."""

from coinfer.cluster.boards import Boards, is_loopback
from coinfer.cluster.catalogue import BOARDS, Board
from coinfer.cluster.clusters import Cluster
from coinfer.cluster.devices import Device
from coinfer.cluster.expansion import expand
from coinfer.cluster.faults import Fault, FaultEvent, FaultList
from coinfer.cluster.links import Link
from coinfer.cluster.presets import CLUSTERS, FAULTS
from coinfer.cluster.rates import Rates
from coinfer.cluster.traces import RateStep
from coinfer.cluster.workload import Workload, arrivals_ns, items

__all__ = [
    "BOARDS",
    "CLUSTERS",
    "FAULTS",
    "Board",
    "Boards",
    "Cluster",
    "Device",
    "Fault",
    "FaultEvent",
    "FaultList",
    "Link",
    "RateStep",
    "Rates",
    "Workload",
    "arrivals_ns",
    "expand",
    "is_loopback",
    "items",
]
