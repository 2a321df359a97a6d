"""A modelled cost that is five percent higher is found by `coinfer compare`."""

from __future__ import annotations

import json

import msgspec
import pytest
from typer.testing import CliRunner

from coinfer.cli.app import app
from coinfer.cluster.cost_table import StageCost, load_cost_table, stage_key
from coinfer.execute import cell as cell_room
from coinfer.execute.prepare import prepare
from coinfer.methods import parameter_types
from coinfer.metrics import figures
from coinfer.runtime.runner import Runner
from coinfer.store import RESULT_SCHEMA, Environment, RunFolder, StoredCell
from coinfer.suite import expand, resolve
from coinfer.suite.load import read_suite
from coinfer.training.modules import build

HERE = Environment(identity={"cpu": "some"}, readings={})
SUITE = resolve(
    read_suite(
        """
schema = 1
name = "one-device"
question = "Does a dearer stage make an answer slower?"

[defaults]
dataset = "digits"
workload = { kind = "single-stream", requests = 20 }

[axes]
method = ["local-teacher"]
cluster = ["one"]

[cluster.one]
devices = [{ name = "a", macs_per_s = 100e6, stage_costs = "measured" }]
links = { "*" = { up_bps = 1e9, down_bps = 1e9, latency_ms = 0 } }
""",
        "one.toml",
    )
)


@pytest.fixture
def run_with(monkeypatch, tmp_path):
    """Run the suite with the stages' costs multiplied; gives the run's folder."""
    cells = expand(SUITE, parameter_types())
    runner = Runner(build, memo=True)

    def run(name, factor):
        folder = RunFolder.create(tmp_path / name, SUITE, cells, HERE)
        for cell in cells:
            prepared = prepare(cell)
            costs = {
                stage_key(stage): StageCost(stage.module.builder, stage.macs, factor * stage.macs)
                for stage in prepared.deployment.stages
            }
            table = msgspec.structs.replace(load_cost_table(), stages=costs)
            monkeypatch.setattr(cell_room, "load_cost_table", lambda table=table: table)
            ran = cell_room.run_cell(cell, prepared, runner, lambda _: None)
            found = figures(ran.outcome, cell, {})
            stored = StoredCell(RESULT_SCHEMA, cell, "h", "done", figures=found)
            folder.write(stored, ran.outcome.records)
        return str(folder.path)

    return run


def test_one_run_against_one_is_enough_in_virtual_time(run_with):
    base, again, new = run_with("base", 1.0), run_with("again", 1.0), run_with("new", 1.05)
    command = ["compare", base, again, new, "--metric", "latency_p50_ms", "--format", "json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 4, done.output
    same, slower = json.loads(done.stdout)
    assert (same["verdict"], same["exact"], same["ratio"]) == ("same", True, 1.0)
    assert (slower["verdict"], slower["exact"], slower["pairs"]) == ("slower", True, 1)
    # The codec and the link are a small part, and cost what they did.
    assert 1.045 < slower["ratio"] < 1.05
    assert CliRunner().invoke(app, [*command[:2], again, *command[4:]]).exit_code == 0
