"""Calibration: ratios to the reference kernel, and cells that are timed by them."""

from __future__ import annotations

import importlib

import msgspec
import pytest
from msgspec.structs import replace

from coinfer.cluster import Cluster, Device, Link, Workload
from coinfer.cluster.cost_table import StageCost, load_cost_table, stage_key
from coinfer.contract import SOURCE
from coinfer.execute import calibrate, measurable_stages
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.execute.stage_costs import costs_told
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build

calibration = importlib.import_module("coinfer.execute.calibrate")


@pytest.fixture(scope="module")
def cells():
    overrides = {"faults": ["none"], "run_seed": [0]}
    return expand(load_suite("smoke"), parameter_types(), overrides)


@pytest.fixture
def clock(monkeypatch):
    """Times that are made up: 10 ns for the reference kernel, 25 for a stage, n + 100 for a kernel.

    Read from the call alone, so that the order in which they are measured cannot matter.
    """

    def time_ns(call):
        call()
        if not hasattr(call, "func"):
            return 10.0
        if call.func.__name__ == "run":
            return 25.0
        x = call.args[0]
        return 100.0 + (x.size if hasattr(x, "size") else sizes[id(x)])

    sizes = {}
    operations = calibration._operations

    def known(kernels):
        found = operations(kernels)
        sizes.update((id(call.args[0]), size) for _, size, call in found)
        return found

    monkeypatch.setattr(calibration, "_time_ns", time_ns)
    monkeypatch.setattr(calibration, "_operations", known)
    monkeypatch.setattr(calibration.backend, "available", lambda: ("native", "reference"))


def test_the_table_holds_ratios_to_the_reference_kernel(clock, cells, tmp_path):
    stages = measurable_stages(cells)
    table = calibrate(tmp_path / "sub" / "table.json", rounds=3, stages=stages)
    macs = calibration.REFERENCE_MACS
    assert table.reference_macs_per_s == macs * 1e9 / 10
    for kernels in ("native", "reference"):
        for operation in ("encode:int8", "decode:raw", "exit_scores", "feature_change"):
            cost = table.kernels[kernels][operation]
            assert cost.call_macs == pytest.approx(100 / 10 * macs, rel=1e-3)
            assert cost.element_macs == pytest.approx(1 / 10 * macs, rel=1e-3)
            assert cost.spread == 0.0
    assert {cost.reference_macs for cost in table.stages.values()} == {2.5 * macs}
    assert load_cost_table(str(tmp_path / "sub" / "table.json")) == table


def test_every_stage_on_a_device_of_every_method_is_measured_once(cells):
    measured = measurable_stages(cells)
    for cell in cells:
        deployment = prepare(cell).deployment
        placed = {r.stage for r in deployment.replicas if r.device != SOURCE}
        stages = [stage for stage in deployment.stages if stage.id in placed]
        assert stages
        for stage in stages:
            assert measured[stage_key(stage)].stage.macs == stage.macs
            value = measured[stage_key(stage)].call()
            assert value.array.shape == (1, *stage.output)


def test_a_cell_takes_the_ratios_where_its_devices_ask_for_them(cells, monkeypatch):
    cell = next(c for c in cells if c.method.base == "local-teacher")
    link = {"*": Link(8e15, header_bytes=0)}
    slow = Cluster((Device("d", macs_per_s=1e8),), link, source_macs_per_s=1e18)
    fast = Cluster((Device("d", macs_per_s=1e8, stage_costs="measured"),), link, 1e18)
    cell = replace(cell, cluster=slow, workload=Workload(requests=3))
    (stage,) = [s for s in prepare(cell).deployment.stages if s.id == "teacher"]
    shipped = load_cost_table()
    cost = StageCost(stage.module.builder, stage.macs, 3.0 * stage.macs, 0.04)
    table = replace(shipped, stages={stage_key(stage): cost})

    def compute_ns(cell, costs):
        monkeypatch.setattr("coinfer.execute.cell.load_cost_table", lambda: costs)
        ran = run_cell(cell, prepare(cell), Runner(build, memo=True), lambda _: None)
        return {record.compute_ns for record in ran.outcome.records}

    by_macs = round(stage.macs * 1e9 / 1e8)
    asked = replace(cell, cluster=fast)
    assert compute_ns(cell, table) == {by_macs}
    assert compute_ns(asked, shipped) == {by_macs}
    assert compute_ns(asked, table) == {3 * by_macs}

    def told(cell, table, **changed):
        return costs_told(replace(cell, **changed), prepare(cell).deployment, table)["stage_costs"]

    assert told(cell, table) == "MACs"
    assert told(asked, shipped).startswith("MACs; the cost table has no stage: 'coinfer calibrate")
    assert told(asked, table).startswith(f"measured ratios, table of {table.measured} (")
    assert told(asked, table).endswith("spread up to 4 %")
    assert told(asked, table, mode="native") == "as they ran on this machine"


def test_a_table_that_lacks_some_stages_says_how_many(cells):
    cell = next(c for c in cells if c.method.variant == "distree-strict")
    devices = tuple(replace(d, stage_costs="measured") for d in cell.cluster.devices)
    cell = replace(cell, cluster=replace(cell.cluster, devices=devices))
    deployment = prepare(cell).deployment
    placed = {r.stage for r in deployment.replicas if r.device != SOURCE}
    keys = {stage_key(s) for s in deployment.stages if s.id in placed}
    some = {sorted(keys)[0]: StageCost("m:f", 1, 1.0, 0.1)}
    told = costs_told(cell, deployment, replace(load_cost_table(), stages=some))
    assert (
        f"measured ratios for 1 of {len(keys)} stages, MACs for the others" in told["stage_costs"]
    )


def test_a_table_from_before_there_were_stages_is_read(tmp_path):
    plain = msgspec.to_builtins(load_cost_table())
    del plain["stages"], plain["torch"]
    (tmp_path / "old.json").write_bytes(msgspec.json.encode(plain))
    assert load_cost_table(str(tmp_path / "old.json")).stages == {}
