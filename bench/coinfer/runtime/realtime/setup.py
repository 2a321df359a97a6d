"""What the processes of a run are told when they start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from coinfer.cluster import Cluster
from coinfer.cluster.cost_table import CostTable
from coinfer.contract import Deployment
from coinfer.runtime.meter import Meter
from coinfer.runtime.realtime.gate import Gate
from coinfer.runtime.realtime.remote import Remote
from coinfer.runtime.realtime.transport import DealerPort
from coinfer.runtime.runner import Build
from coinfer.runtime.timeline import MOST_SPANS
from coinfer.runtime.topology import Topology
from coinfer_kernels import backend


class Setup(NamedTuple):
    """What every process of a run is told at its start; picklable.

    Attributes
    ----------
    run : int
    endpoint : str
    cluster : Cluster
    seed : int
    dilated : bool
    stages, replicas : tuple
        Of the deployment; the fusion rule stays with the source.
    input_shape : tuple of int
        Shape of one input row.
    requests, most_rows : int
        How many requests there are, and most of them in one job.
    encoding, kernels : str
    costs : CostTable
    keep_ns : int
        An idle device forgets jobs of which nothing has come for so long.
    build : callable
    timeline : tuple of int
        Requests whose timeline is kept.
    remote : Remote or None
        How the source is reached where it is on another machine, whose clock is another one.
    """

    run: int
    endpoint: str
    cluster: Cluster
    seed: int
    dilated: bool
    stages: tuple[Any, ...]
    replicas: tuple[Any, ...]
    input_shape: tuple[int, ...]
    requests: int
    most_rows: int
    encoding: str
    kernels: str
    costs: CostTable
    keep_ns: int
    build: Build
    timeline: tuple[int, ...] = ()
    remote: Remote | None = None

    def topology(self) -> Topology:
        """Topology as the devices need it."""
        deployment = Deployment(self.stages, self.replicas, _no_fusion)
        return Topology.of(deployment, self.cluster, modelled=self.dilated)

    def gate(self) -> Gate:
        """Gate of a socket."""
        return Gate(
            self.run,
            self.topology(),
            self.input_shape,
            self.requests,
            self.most_rows,
            hub=self.dilated,
            spans=MOST_SPANS if self.timeline else 0,
        )

    def dial(self, name: str) -> DealerPort:
        """Port of a process that dials in under a name."""
        return DealerPort(self.endpoint, self.gate(), name, self.remote)

    def meter(self, device: str) -> Callable[[], Meter]:
        """Maker of meters for a device."""
        modelled = self.cluster.device(device) if self.dilated else None
        loaded = backend.load(self.kernels)
        return lambda: Meter(loaded, self.costs, modelled)


def _no_fusion(_: Any) -> Any:
    raise AssertionError("only the source has a fusion rule")
