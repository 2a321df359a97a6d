"""All that a suite may say is carried out, in every mode: nothing is refused before the run."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from coinfer.cluster import CLUSTERS, Fault, FaultList, Link, RateStep, Workload
from coinfer.execute import check
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite


@pytest.fixture(scope="module")
def cell():
    overrides = {"method": ["local-teacher"], "faults": ["none"], "run_seed": [0]}
    (one,) = expand(load_suite("smoke"), parameter_types(), overrides)
    return one


def fault(**said):
    return lambda cell: replace(cell, faults=FaultList((Fault(**said),)))


def cluster(**said):
    return lambda cell: replace(cell, cluster=replace(cell.cluster, **said))


def workload(**said):
    return lambda cell: replace(cell, workload=Workload(**said))


@pytest.mark.parametrize("mode", ["virtual", "realtime", "native"])
def test_what_the_drivers_carry_out_is_not_refused(cell, mode):
    cell = replace(cell, mode=mode)
    check(cell)
    check(fault(kind="crash", target="random:2", rate_per_s=0.1)(cell))
    check(fault(kind="crash", on_request=1, rejoin_after_ms=5)(cell))
    check(fault(kind="pause", on_request=1, duration_ms=5)(cell))
    check(workload(kind="trace", trace=(0.0, 5.0))(cell))
    check(workload(kind="multi-stream", samples_per_query=2, queue_limit=2, warm_up=2)(cell))
    check(workload(batch_rows=2, batch_wait_ms=2)(cell))
    check(cluster(links={"*": Link(1e6, loss=0.1, on_loss="retransmit", retransmit_ms=1)})(cell))
    check(cluster(links={"*": Link(trace=(RateStep(0, 1e6, 1e6),))})(cell))
    check(cluster(routes={"d0>d1": Link(1e6)}, broadcast="multicast")(cell))


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("method", ["local-teacher", "nonn", "rocoin", "distree"])
def test_every_preset_can_be_planned_for(name, method):
    overrides = {"method": [method], "cluster": [name], "faults": ["none"], "run_seed": [0]}
    (one,) = expand(load_suite("smoke"), parameter_types(), overrides)
    check(one)
