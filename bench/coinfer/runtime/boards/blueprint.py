"""What a board is told of a run, as plain values; modules are names of builders and digests."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from coinfer.cluster import Cluster
from coinfer.cluster.cost_table import CostTable
from coinfer.contract import After, Now, OnDemand, Replica, Stage
from coinfer.runtime.realtime.remote import Remote
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.runner import Build
from coinfer.runtime.wire import Natural


class _Placed(msgspec.Struct, frozen=True):
    """A replica; its start by name, because three classes without fields look alike in bytes."""

    stage: str
    device: str
    start: Literal["now", "after", "on-demand"]
    delay_ns: Natural = 0


class Blueprint(msgspec.Struct, frozen=True):
    """What `Setup` holds, less what each machine has of its own."""

    run: Natural
    cluster: Cluster
    seed: int
    stages: tuple[Stage, ...]
    replicas: tuple[_Placed, ...]
    input_shape: tuple[Natural, ...]
    requests: Natural
    most_rows: Natural
    encoding: str
    kernels: str
    costs: CostTable
    keep_ns: Natural


def drawn(setup: Setup) -> bytes:
    """Blueprint of a run, in MessagePack."""
    blueprint = Blueprint(
        setup.run,
        setup.cluster,
        setup.seed,
        setup.stages,
        tuple(_placed(replica) for replica in setup.replicas),
        setup.input_shape,
        setup.requests,
        setup.most_rows,
        setup.encoding,
        setup.kernels,
        setup.costs,
        setup.keep_ns,
    )
    return msgspec.msgpack.encode(blueprint)


def built(content: bytes, endpoint: str, remote: Remote, build: Build) -> Setup:
    """Setup of a run on a board.

    Parameters
    ----------
    content : bytes
    endpoint : str
        Where the source is reached from here.
    remote : Remote
    build : callable

    Raises
    ------
    ValueError
        If it is no blueprint.
    """
    told = msgspec.msgpack.decode(content, type=Blueprint)
    values: dict[str, Any] = {name: getattr(told, name) for name in told.__struct_fields__}
    values["replicas"] = tuple(
        Replica(placed.stage, placed.device, _start(placed)) for placed in told.replicas
    )
    return Setup(**values, endpoint=endpoint, dilated=False, build=build, remote=remote)


def _placed(replica: Replica) -> _Placed:
    start = replica.start
    if isinstance(start, After):
        return _Placed(replica.stage, replica.device, "after", start.delay_ns)
    kind: Literal["now", "on-demand"] = "now" if isinstance(start, Now) else "on-demand"
    return _Placed(replica.stage, replica.device, kind)


def _start(placed: _Placed) -> Now | After | OnDemand:
    if placed.start == "after":
        return After(placed.delay_ns)
    return Now() if placed.start == "now" else OnDemand()
