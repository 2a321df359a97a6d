"""A sweep of remembered outputs against runs of the same cells, and what is stored of it."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from coinfer.cli.app import app
from coinfer.errors import UsageError
from coinfer.execute.cell import run_cell
from coinfer.execute.networks import networks
from coinfer.execute.prepare import prepare
from coinfer.execute.rivals import Rival, rivals
from coinfer.execute.sweep import TARGETS, swept
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build


@pytest.fixture(scope="module")
def cell():
    """A cell that asks for every test image once, without a lossy encoding."""
    chosen = {"method": ["distree-strict"], "encoding": ["raw"], "faults": ["none"]}
    (found, *_) = expand(load_suite("smoke"), parameter_types(), chosen)
    workload = msgspec.structs.replace(found.workload, requests=359)
    return msgspec.structs.replace(found, workload=workload)


@pytest.fixture(scope="module")
def network(cell):
    (found,) = networks([cell, cell])
    return found


@pytest.fixture(scope="module")
def found(network):
    return swept(network, resamplings=5)


@pytest.mark.parametrize(
    ("rule", "scheme"),
    [
        ("entropy", "budgeted"),
        pytest.param("class-mean", "shared", marks=pytest.mark.slow),
        pytest.param("fixed", "shared", marks=pytest.mark.slow),
    ],
)
def test_a_point_is_what_a_run_of_its_cell_gives(cell, found, rule, scheme):
    target = {"accuracy_loss_points": 1.0}
    changed = {"rule": rule, "thresholds": scheme, "target": target}
    method = msgspec.structs.replace(cell.method, parameters={**cell.method.parameters, **changed})
    asked = msgspec.structs.replace(cell, method=method)
    records = run_cell(asked, prepare(asked), Runner(build, memo=True), lambda _: None)
    records = records.outcome.records
    assert len({r.item for r in records}) == 359
    (row,) = [
        c for c in found.choices if (c["rule"], c["scheme"], c["target"]) == (rule, scheme, target)
    ]
    realised = row["realised"]
    assert math.isclose(realised["accuracy"], sum(r.prediction == r.label for r in records) / 359)
    assert math.isclose(realised["macs_per_request"], sum(r.macs for r in records) / 359)
    exits = [sum(r.exit == b for r in records) / 359 for b in (1, 2, 3)]
    assert realised["exits"] == pytest.approx(exits)
    waited_ms = sum(r.answered_ns - r.intended_ns for r in records) / 359 / 1e6
    assert realised["latency_mean_ms"] == pytest.approx(waited_ms, rel=0.1)


def test_every_rule_is_there_and_the_oracle_saves_most_at_no_loss(found):
    (oracle,) = [row for row in found.fronts if row["rule"] == "oracle"]
    assert oracle["accuracy_loss_points"] <= 0
    harmless = [
        row["macs_saved_fraction"]
        for row in found.fronts
        if row["split"] == "test" and row["harm_points"] == 0
    ]
    assert oracle["macs_saved_fraction"] == max(harmless)
    assert len({row["rule"] for row in found.fronts}) == 11
    for row in found.choices:
        low, high = row["realised"]["accuracy_loss_interval"]
        assert low <= row["realised"]["accuracy_loss_points"] + 1e-9 <= high + 2e-9


def test_a_rival_is_beaten_by_as_many_points_as_images_say(network):
    """Counted image by image, for a rival that is wrong on the first fifty alone."""
    right = np.arange(359) >= 50
    costs = network.costs["entropy"]
    rival = Rival("made up", costs.macs[-1], costs.ns[-1], right)
    rows = [
        row
        for row in swept(network, resamplings=0, rivals=[rival]).rivals
        if (row["rival"], row["rule"], row["scheme"]) == ("made up", "entropy", "shared")
    ]
    assert [row["equal"] for row in rows] == ["macs", "latency"]
    for row in rows:
        assert row["rival_accuracy"] == pytest.approx(309 / 359)
        gained = row["accuracy"] - row["rival_accuracy"]
        assert row["difference_points"] == pytest.approx(100 * gained)
        low, high = row["difference_interval"]
        assert low < row["difference_points"] < high


def test_no_rule_takes_more_than_its_rival_on_the_calibration_split(network, found):
    """Exits of the network itself are rivals; no candidate is as cheap as the first one alone."""
    curves = {
        (row["rule"], row["scheme"], row["candidate"]): row
        for row in found.fronts
        if row["split"] == "calibration"
    }
    assert {row["rival"] for row in found.rivals} == {"exit 1", "exit 2", "exit 3"}
    taken = [row for row in found.rivals if row["candidate"] is not None]
    assert taken
    for row in taken:
        here = curves[row["rule"], row["scheme"], row["candidate"]]
        spent, limit = (
            (here["macs_per_request"], row["rival_macs"])
            if row["equal"] == "macs"
            else (here["latency_mean_ms"], row["rival_latency_ms"])
        )
        assert spent <= limit + 1e-6
        kept = [
            other["accuracy_loss_points"]
            for (rule, scheme, _), other in curves.items()
            if (rule, scheme) == (row["rule"], row["scheme"])
            and other["macs_per_request" if row["equal"] == "macs" else "latency_mean_ms"] <= limit
        ]
        assert here["accuracy_loss_points"] == pytest.approx(min(kept))
    first = network.costs["feature-difference"]
    assert first.macs[1] > first.alone_macs[1]
    unreached = {
        row["rival"]
        for row in found.rivals
        if row["rule"] == "feature-difference" and row["candidate"] is None
    }
    assert {"exit 1", "exit 2"} <= unreached


def test_a_method_without_exits_is_a_rival_with_its_own_cost(cell):
    cells = expand(load_suite("smoke"), parameter_types(), {"method": ["distree-strict", "nonn"]})
    (one,) = networks(cells[:1])
    (rival,) = rivals(cells, one)
    nonn = next(c for c in cells if c.method.variant == "nonn")
    prepared = prepare(nonn)
    assert rival.macs == sum(
        {s.id: s.macs for s in prepared.deployment.stages}[r.stage]
        for r in prepared.deployment.replicas
    )
    reached = prepared.notes["validation_accuracy"][0]
    assert rival.right.mean() == pytest.approx(reached, abs=0.05)
    assert rival.right.shape == (359,)


def test_the_command_writes_what_it_found(tmp_path):
    done = CliRunner().invoke(
        app, ["sweep", "smoke", "-m", "distree-strict", "--resamplings", "2", "-o", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "nothing here was run" in done.output
    stored = json.loads((tmp_path / "smoke" / "sweep.json").read_text())
    assert {"weights_sha256", "test_sha256", "calibration_sha256"} <= set(stored["sources"][0])
    assert len(stored["promises"]) == len(stored["choices"])
    assert len(stored["choices"]) % len(TARGETS) == 0
    fronts = pq.read_table(tmp_path / "smoke" / "fronts.parquet")
    assert {"rule", "scheme", "split", "macs_saved_fraction"} <= set(fronts.column_names)


def test_a_suite_without_exits_is_refused(cell):
    (nonn, *_) = expand(load_suite("smoke"), parameter_types(), {"method": ["nonn"]})
    with pytest.raises(UsageError, match="no method of the suite has exit rules"):
        next(networks([nonn]))
