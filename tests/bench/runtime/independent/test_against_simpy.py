"""The virtual driver and a SimPy model of the documentation agree to the nanosecond."""

from __future__ import annotations

from collections import Counter

import pytest
from scenarios import build, scenario
from simpy_model import Model

from coinfer.contract import SOURCE
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import VirtualDriver

SEEDS = range(160)
SILENT = ("crash", "pause", "partition")


def both(seed):
    given = scenario(seed)
    model = Model(given)
    model.run()
    return VirtualDriver(given, Runner(build, memo=True)).run(), model


@pytest.fixture(scope="module")
def runs():
    return {seed: both(seed) for seed in SEEDS}


def test_every_request_is_answered_in_the_same_nanosecond(runs):
    for seed, (outcome, model) in runs.items():
        timeline = {r.request: (r.status, r.intended_ns, r.answered_ns) for r in outcome.records}
        assert timeline == model.answers, f"seed {seed}"


def test_everybody_computes_for_as_long(runs):
    for seed, (outcome, model) in runs.items():
        busy_ns = {device.name: device.busy_ns for device in model.devices.values()}
        assert outcome.busy_ns == busy_ns | {SOURCE: model.source_busy_ns}, f"seed {seed}"


def test_losses_are_noticed_in_the_same_nanosecond(runs):
    for seed, (outcome, model) in runs.items():
        noticed = {
            (line["target"], line["detected_ns"])
            for line in outcome.faults
            if line["kind"] in SILENT and line["detected_ns"] is not None
        }
        assert noticed == model.believed_lost, f"seed {seed}"


def test_the_scenarios_are_worth_the_name(runs):
    """Every ending comes often, every kind of fault lands, and losses are noticed."""
    statuses = Counter(r.status for outcome, _ in runs.values() for r in outcome.records)
    assert min(statuses[s] for s in ("ok", "degraded", "timeout", "failed")) >= 10
    landed = Counter(
        line["kind"] for outcome, _ in runs.values() for line in outcome.faults if line["landed"]
    )
    kinds = {"crash", "rejoin", "pause", "straggle", "drop", "delay", "corrupt", "partition"}
    assert set(landed) >= kinds
    assert min(landed[kind] for kind in kinds) >= 10
    assert sum(len(model.believed_lost) for _, model in runs.values()) >= 30
