"""Clusters of plain devices."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coinfer.cluster import Cluster, Device, Link


@pytest.fixture(scope="session")
def cluster_of() -> Callable[..., Cluster]:
    """Make a cluster of devices of these names, all alike."""

    def make(*names: str, **more) -> Cluster:
        devices = tuple(Device(name=name, macs_per_s=1e6) for name in names)
        return Cluster(devices=devices, links={"*": Link(up_bps=1e6)}, **more)

    return make
