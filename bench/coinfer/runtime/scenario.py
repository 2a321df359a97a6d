"""What one run depends on."""

from __future__ import annotations

from typing import NamedTuple

from coinfer.cluster import Cluster, FaultEvent
from coinfer.cluster.cost_table import CostTable
from coinfer.contract import Deployment
from coinfer.runtime.job import Load
from coinfer_kernels.backend import Backend


class Scenario(NamedTuple):
    """Everything that one run depends on.

    Attributes
    ----------
    deployment : Deployment
    cluster : Cluster
    load : Load
    faults : tuple of FaultEvent
    encoding : str
    backend : Backend
        The kernels under test.
    costs : CostTable
    seed : int
    timeline : tuple of int
        Requests whose timeline is kept; it changes nothing of the run.
    """

    deployment: Deployment
    cluster: Cluster
    load: Load
    faults: tuple[FaultEvent, ...]
    encoding: str
    backend: Backend
    costs: CostTable
    seed: int
    timeline: tuple[int, ...] = ()
