"""Clusters, draws, faults and workloads."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from coinfer.cluster import (
    CLUSTERS,
    Cluster,
    Device,
    Fault,
    FaultList,
    Link,
    Workload,
    arrivals_ns,
    expand,
    items,
)
from coinfer.cluster.cost_table import (
    CostTable,
    KernelCost,
    StageCost,
    load_cost_table,
    stage_key,
)
from coinfer.cluster.draws import choice, seed32, uniform
from coinfer.contract import INPUT, ModuleRef, Need, Stage
from coinfer.errors import ClusterError


def test_draws_are_uniform_and_keyed():
    draws = [uniform(7, "jitter", "d1", n) for n in range(5000)]
    assert stats.kstest(draws, "uniform").pvalue > 0.001
    others = [uniform(7, "jitter", "d2", n) for n in range(5000)]
    assert abs(stats.spearmanr(draws, others).statistic) < 0.06
    # "ab", "c" and "a", "bc" are different keys.
    assert uniform("ab", "c") != uniform("a", "bc")
    assert 0 <= seed32(1) < 2**32
    assert {choice("abc", n) for n in range(60)} == set("abc")


@given(seed=st.integers(0, 10**9), count=st.integers(1, 6), lost=st.integers(0, 6))
def test_random_targets_are_different_devices(cluster_of, seed, count, lost):
    devices = cluster_of(*(f"d{i}" for i in range(count)))
    faults = FaultList(events=(Fault(kind="crash", on_request=1),) * lost)
    if lost > count:
        with pytest.raises(ClusterError, match="no device left"):
            expand(faults, devices, seed)
        return
    events = expand(faults, devices, seed)
    assert len({event.target for event in events}) == lost
    assert expand(faults, devices, seed) == events


def test_every_device_is_drawn_by_some_seed(cluster_of):
    faults = FaultList(events=(Fault(kind="crash", at_ms=3),))
    four = cluster_of("d0", "d1", "d2", "d3")
    targets = {expand(faults, four, s)[0].target for s in range(50)}
    assert targets == {"d0", "d1", "d2", "d3"}
    assert expand(faults, cluster_of("d0"), 0)[0].at_ns == 3_000_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fault(kind="melt", on_request=1), "allowed: crash"),
        (
            lambda: Fault(kind="crash"),
            "exactly one of at_ms, on_request and rate_per_s; it has none",
        ),
        (lambda: Device(name="d", macs_per_s=0), "macs_per_s = 0"),
        (lambda: Device(name="d", macs_per_s=1, memory_bytes=0), "memory_bytes = 0"),
        (lambda: Device(name="d", macs_per_s=1, failure_probability=1.0), "failure_probability"),
        (lambda: Link(up_bps=0, down_bps=1), "up_bps = 0"),
        (lambda: Cluster(devices=(), links={}), "no devices"),
        (lambda: Cluster(devices=(Device("d", 1.0),), links={}), "no link for device 'd'"),
        (lambda: Cluster((Device("source", 1.0),), {"*": Link(1, 1)}), "named 'source'"),
        (lambda: Cluster((Device("d", 1.0),), {"*": Link(1, 1), "e": Link(1, 1)}), "unknown"),
        (lambda: Workload(requests=0), "requests = 0"),
        (lambda: Workload(kind="server"), "rate_rps is for kind = 'server'"),
        (lambda: Workload(kind="closed"), "allowed: single-stream"),
    ],
)
def test_what_cannot_be_is_named(make, message):
    with pytest.raises(ClusterError, match=message):
        make()


def test_poisson_arrivals_have_the_rate_and_exponential_gaps():
    times = arrivals_ns(Workload(kind="server", requests=4000, rate_rps=50.0), seed=1)
    assert times == sorted(times)
    gaps_s = np.diff(np.array(times)) / 1e9
    assert stats.kstest(gaps_s, "expon", args=(0, 1 / 50.0)).pvalue > 0.001
    assert arrivals_ns(Workload(requests=3), seed=1) is None
    assert arrivals_ns(Workload(kind="offline", requests=3), seed=1) == [0, 0, 0]


def test_a_trace_of_arrivals_is_taken_from_its_start():
    times = (0.0, 1.5, 1.5, 20.0)
    every = Workload(kind="trace", trace=times)
    assert every.requests == 4
    assert arrivals_ns(every, seed=1) == [0, 1_500_000, 1_500_000, 20_000_000]
    two = Workload(kind="trace", trace="day.csv", requests=2).read(lambda _: "at_ms\n0\n3\n4\n")
    assert arrivals_ns(two, seed=9) == [0, 3_000_000]
    with pytest.raises(ClusterError, match=r"trace 'day\.csv' was not read"):
        arrivals_ns(Workload(kind="trace", trace="day.csv"), seed=1)


@given(
    requests=st.integers(1, 200),
    more=st.integers(0, 50),
    rate=st.floats(0.1, 1e4),
    seed=st.integers(0, 10**6),
)
def test_more_requests_do_not_move_those_that_are_there(requests, more, rate, seed):
    few = arrivals_ns(Workload(kind="server", requests=requests, rate_rps=rate), seed)
    many = arrivals_ns(Workload(kind="server", requests=requests + more, rate_rps=rate), seed)
    assert many[:requests] == few
    assert all(0 <= a <= b for a, b in itertools.pairwise(few))
    # Twice the rate is the same luck in half the time.
    twice = arrivals_ns(Workload(kind="server", requests=requests, rate_rps=2 * rate), seed)
    assert all(abs(2 * b - a) <= 2 for a, b in zip(few, twice, strict=True))


def test_requests_that_wait_for_others_have_no_times():
    assert arrivals_ns(Workload(kind="multi-stream", samples_per_query=4), seed=1) is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kind": "multi-stream"}, "samples_per_query is for kind = 'multi-stream', and needed"),
        ({"samples_per_query": 2}, "samples_per_query is for kind = 'multi-stream'"),
        ({"kind": "multi-stream", "samples_per_query": 0}, "samples_per_query = 0"),
        ({"kind": "trace"}, "trace is for kind = 'trace', and needed"),
        ({"trace": (1.0,)}, "trace is for kind = 'trace'"),
        ({"kind": "trace", "trace": (2.0, 1.0)}, "workload: trace: an arrival at 1.0 ms follows"),
        ({"kind": "trace", "trace": (1.0,), "requests": 2}, "requests = 2, .* has 1 arrivals"),
        ({"kind": "server", "rate_rps": 0}, "rate_rps = 0; use a finite number > 0"),
        ({"rate_rps": "search"}, "rate_rps is for kind = 'server'"),
        ({"kind": "server", "rate_rps": 5.0, "precision": 0.1}, "precision is for rate_rps = 'se"),
        ({"kind": "server", "rate_rps": "search", "share_in_time": 1.5}, "share_in_time = 1.5; us"),
        ({"kind": "server", "rate_rps": "search", "precision": 0.0}, r"precision = 0.0; .*\(1e-06"),
        ({"kind": "offline", "queue_limit": 0}, "queue_limit = 0; use at least 1"),
        ({"queue_limit": 3}, "queue_limit is never reached by kind = 'single-stream'"),
        ({"on_overflow": "drop-oldest"}, "on_overflow is for a queue_limit"),
        ({"queue_limit": 1, "on_overflow": "oldest"}, "'oldest'; did you mean 'drop-oldest'"),
        ({"warm_up": -1}, "warm_up = -1; use at least 0"),
        ({"warm_up": 100}, "warm_up = 100 leaves nothing of requests = 100"),
        ({"batch_rows": 0}, "batch_rows = 0; use at least 1"),
        ({"batch_wait_ms": -1}, "batch_wait_ms = -1; use a finite number >= 0"),
    ],
)
def test_impossible_workloads_are_refused(said, message):
    with pytest.raises(ClusterError, match=message):
        Workload(**said)


@pytest.mark.parametrize(
    "workload",
    [
        Workload(),
        Workload(kind="server", rate_rps=2.5),
        Workload(kind="server", rate_rps="search"),
        Workload(kind="server", rate_rps="search", share_in_time=0.5, precision=0.2),
        Workload(kind="trace", trace=(0.0, 2.0)),
    ],
)
def test_a_workload_survives_being_written_and_read(workload):
    assert msgspec.json.decode(msgspec.json.encode(workload), type=Workload) == workload


def test_a_search_has_defaults_and_no_arrivals():
    workload = Workload(kind="server", rate_rps="search")
    assert (workload.share_in_time, workload.precision) == (0.99, 0.01)
    with pytest.raises(ClusterError, match="no arrivals before rate_rps = 'search' was found"):
        arrivals_ns(workload, seed=0)


@given(requests=st.integers(1, 50), available=st.integers(1, 20), seed=st.integers(0, 99))
def test_items_are_drawn_without_repetition_until_all_were_used(requests, available, seed):
    picked = items(requests, available, seed)
    assert len(picked) == requests
    for start in range(0, requests, available):
        lap = picked[start : start + available]
        assert len(set(lap)) == len(lap)
        assert set(lap) <= set(range(available))


def test_presets_stand_and_are_sourced():
    for name, cluster in CLUSTERS.items():
        assert cluster.note, name
        for device in cluster.devices:
            assert cluster.link(device.name).up_bps > 0
    published = CLUSTERS["rocoin-8"]
    flops = [d.macs_per_s * published.flops_per_mac for d in published.devices]
    assert (min(flops), max(flops)) == (5e6, 30e6)
    assert {published.link(d.name).header_bytes for d in published.devices} == {0}


def test_a_stage_is_kept_by_how_it_is_made_and_not_by_its_weights():
    stage = Stage("a", ModuleRef("m:f", {"x": 1, "y": 2}), (Need(INPUT),), (4,), macs=100)
    table = CostTable("m", "i", "2026-01-31", "r", {})
    table = msgspec.structs.replace(table, stages={stage_key(stage): StageCost("m:f", 100, 250.0)})
    assert table.stage_macs(stage) == 250.0
    trained = ModuleRef("m:f", {"y": 2, "x": 1}, weights_sha256="abc", prefix="p.")
    assert table.stage_macs(dataclasses.replace(stage, id="b", module=trained)) == 250.0
    for other in (
        dataclasses.replace(stage, module=ModuleRef("m:g", {"x": 1, "y": 2})),
        dataclasses.replace(stage, module=ModuleRef("m:f", {"x": 1, "y": 3})),
        dataclasses.replace(stage, macs=101),
        dataclasses.replace(stage, output=(5,)),
    ):
        assert table.stage_macs(other) == other.macs
    assert table.age_days(date(2026, 3, 2)) == 30
    assert msgspec.structs.replace(table, measured="never").age_days(date(2026, 3, 2)) is None


def test_the_cost_table_is_a_line_and_says_what_it_lacks(tmp_path):
    table = CostTable("m", "i", "d", "r", {"native": {"encode:raw": KernelCost(100.0, 2.0)}})
    assert table.macs("native", "encode:raw", 50) == 200.0
    with pytest.raises(ClusterError, match="no figure for 'decode:raw' of back end 'native'"):
        table.macs("native", "decode:raw", 1)
    with pytest.raises(ClusterError, match="run `coinfer calibrate`"):
        load_cost_table(str(tmp_path / "nowhere.json"))
    shipped = load_cost_table()
    assert shipped.sha256() != table.sha256()
    for backend in ("native", "numba", "reference"):
        for operation in ("encode:int8", "decode:int8", "exit_scores", "feature_change"):
            assert shipped.macs(backend, operation, 1000) > 0
