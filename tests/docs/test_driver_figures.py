"""What docs/emulation.md says of the driver's cost is what was measured, and so is the figure."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "emulation.md").read_text(encoding="utf-8")
FOLDER = ROOT / "results" / "reference" / "driver"


@pytest.fixture(scope="module")
def data():
    return json.loads((FOLDER / "driver.json").read_text(encoding="utf-8"))


def test_the_table_is_that_of_the_data(data):
    assert data["command"] in PAGE
    for speed, memory in zip(data["speed"], data["memory"], strict=True):
        assert speed["devices"] == memory["devices"]
        row = (
            f"| {speed['devices']} | {speed['bare_us']:.1f} | {speed['added_us']:.1f} "
            f"| {speed['ratio_to_bare']:.0f} | {memory['traced_bytes'] / 1e6:.1f} |"
        )
        assert row in PAGE
    growth = data["growth"]
    assert f"{growth['bytes_a_request']:.0f} bytes" in PAGE
    assert growth["requests"][-1] >= 7 / 8 * 200_000


def test_memory_is_linear_in_devices_and_in_requests(data):
    """From 512 to 4096 devices no more than eight times as much; from mark to mark as much."""
    few, many = data["memory"][-2:]
    assert many["traced_bytes"] / few["traced_bytes"] <= many["devices"] / few["devices"]
    held = data["growth"]["resident_bytes"]
    steps = [later - sooner for sooner, later in itertools.pairwise(held)]
    assert max(steps) <= 2 * min(steps)


def test_the_figure_is_drawn_from_the_data(data):
    spec = importlib.util.spec_from_file_location("figure", ROOT / "tests/perf/driver/figure.py")
    figure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figure)
    assert (FOLDER / "driver.svg").read_text(encoding="utf-8") == figure.draw(data)
