"""Suites that come along answer what they ask: a few requests of some of their cells."""

from __future__ import annotations

import msgspec
import pytest

from coinfer.contract import SOURCE
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.methods import parameter_types
from coinfer.metrics import figures
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build


@pytest.fixture(scope="module")
def runner():
    return Runner(build, memo=True)


def run(name, runner, *, requests=6, **axes):
    """Figures of the first seed's cells by the axis that the suite is about."""
    suite = load_suite(name)
    about = suite.report.headline.by
    found = {}
    for cell in expand(suite, parameter_types(), {"run_seed": [0], **axes}):
        few = msgspec.structs.replace(cell.workload, requests=requests)
        cell = msgspec.structs.replace(cell, workload=few)
        ran = run_cell(cell, prepare(cell), runner, lambda _request: None)
        found[cell.coordinates[about]] = figures(ran.outcome, cell, {})
    return found


def test_smaller_encodings_save_bytes_everywhere_and_time_on_slow_links_only(runner):
    chosen = {"method": ["distree"], "encoding": ["raw", "int4"]}
    slow = run("encodings", runner, cluster=["radio-8"], **chosen)
    fast = run("encodings", runner, cluster=["ethernet-8"], **chosen)
    for at in (slow, fast):
        assert at["int4"]["bytes_up_per_request"] < at["raw"]["bytes_up_per_request"] / 4
    assert slow["int4"]["latency_p50_ms"] < 0.6 * slow["raw"]["latency_p50_ms"]
    assert fast["int4"]["latency_p50_ms"] == pytest.approx(fast["raw"]["latency_p50_ms"], rel=0.2)


def test_a_back_end_changes_times_and_nothing_that_is_sent(runner):
    found = run("kernels", runner, method=["distree"], encoding=["int8"])
    native, numba, reference = (found[name] for name in ("native", "numba", "reference"))
    assert native["latency_p50_ms"] < numba["latency_p50_ms"] < reference["latency_p50_ms"]
    for name in ("ok", "bytes_up_per_request", "macs_per_request", "exit_counts"):
        assert native[name] == numba[name] == reference[name]


def test_the_four_fastest_are_chosen_from_thousands(runner):
    where = {"method": ["distree"], "cluster": ["devices-8", "devices-2048"]}
    found = run("scale", runner, **where)
    few, many = found["devices-8"], found["devices-2048"]
    assert many["messages_per_request"] == few["messages_per_request"]
    assert many["requests"] == many["ok"]
    _, cell = expand(load_suite("scale"), parameter_types(), {"run_seed": [0], **where})
    team = {r.device for r in prepare(cell).deployment.replicas} - {SOURCE}
    assert len(team) == 4
    assert {cell.cluster.device(name).macs_per_s for name in team} == {120e6}
