"""One seed, one trace: in any process, and whoever else stands by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from scenarios import build, scenario

from coinfer.cluster import Device
from coinfer.runtime.runner import Runner
from coinfer.runtime.virtual import VirtualDriver

HERE = Path(__file__).parent
SEEDS = range(20)
PRINT_TRACES = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from test_identical import SEEDS, outcome, scenario
for seed in SEEDS:
    print(outcome(scenario(seed)).trace_sha256)
"""


def outcome(given):
    return VirtualDriver(given, Runner(build, memo=True)).run()


@pytest.fixture(scope="module")
def outcomes():
    return {seed: outcome(scenario(seed)) for seed in SEEDS}


def test_traces_are_the_same_in_another_process_with_other_hashes(outcomes):
    """Sets and hashed names come in another order there."""
    told = subprocess.run(
        [sys.executable, "-c", PRINT_TRACES],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert told == [one.trace_sha256 for one in outcomes.values()]
    assert len(set(told)) == len(SEEDS)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_device_that_is_never_used_changes_nothing_wherever_it_stands(outcomes, place):
    spare = Device(name="d00", macs_per_s=1e6)
    for seed, alone in outcomes.items():
        given = scenario(seed)
        devices = list(given.cluster.devices)
        devices.insert(place, spare)
        cluster = msgspec.structs.replace(given.cluster, devices=tuple(devices))
        more = outcome(given._replace(cluster=cluster))
        assert more.trace_sha256 == alone.trace_sha256, f"seed {seed}"
        assert more.records == alone.records
        assert more.busy_ns == alone.busy_ns | {"d00": 0}
        assert more.faults == alone.faults
