"""A suite moves to boards by naming an inventory, and says the same of everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from coinfer.errors import SuiteError
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_inventory, load_suite, on_inventory
from coinfer.suite.load import read_suite

LAB = """
note = "bench"
devices = [{ name = "pi4-a", like = "raspberry-pi-4" }, { name = "pi5-a", macs_per_s = 9e9 }]
links = { "*" = { up_bps = 9e8, down_bps = 9e8, latency_ms = 0.3 } }
boards = { bind = "tcp://192.168.1.10:5755" }
"""
SUITE = """
schema = 1
name = "two"
question = "?"
[axes]
method = ["nonn"]
cluster = ["mixed-4", "lab"]
mode = ["virtual", "native"]
[cluster.lab]
inventory = "boards/lab.toml"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "boards" / "lab.toml"
    path.parent.mkdir()
    path.write_text(LAB, encoding="utf-8")
    return path


def test_a_suite_names_an_inventory_as_it_names_a_cluster(lab, tmp_path):
    cells = expand(read_suite(SUITE, "two.toml", tmp_path), parameter_types())
    assert {(c.cluster_name, c.mode, c.cluster.boards is not None) for c in cells} == {
        ("mixed-4", "virtual", False),
        ("mixed-4", "native", False),
        ("lab", "virtual", True),
        ("lab", "native", True),
    }
    there = next(c.cluster for c in cells if (c.cluster_name, c.mode) == ("lab", "native"))
    assert there == load_inventory(lab)
    assert there.names == ("pi4-a", "pi5-a")
    assert there.boards.curve is True


def test_any_suite_runs_on_an_inventory_and_keeps_the_rest(lab):
    suite = load_suite("smoke")
    changed, chosen = on_inventory(suite, lab, {"mode": ("native",)})
    before = expand(suite, parameter_types())
    after = expand(changed, parameter_types(), chosen)
    assert {c.cluster_name for c in after} == {"lab"}
    assert {c.mode for c in after} == {"native"}
    others = ("method", "faults", "encoding", "run_seed", "train_seed")

    def rest(cells):
        return {tuple(str(c.coordinates[axis]) for axis in others) for c in cells}

    assert rest(after) == rest(before)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("devices = [", r"not valid TOML"),
        (LAB.replace("boards", "board"), r"\$\.boards: missing"),
        (LAB.replace("bind", "bin"), r"\.boards\.bin: unknown key; did you mean 'bind'"),
        (LAB.replace("192.168.1.10", "192.168.1.10:1"), r"tcp://HOST:PORT"),
        (LAB.replace('5755"', '5755", curve = false'), r"reaches beyond this machine"),
        (LAB.replace("pi4-a", "pi4/a"), r"no board may be named 'pi4/a'"),
    ],
)
def test_what_is_wrong_with_an_inventory_is_told_with_its_place(lab, text, told, tmp_path):
    lab.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError, match=told) as alone:
        load_inventory(lab)
    assert str(alone.value).startswith(str(lab))
    with pytest.raises(SuiteError, match=told) as within:
        read_suite(SUITE, "two.toml", tmp_path)
    assert str(within.value).startswith("two.toml: $.cluster.lab")
    assert "\n" not in str(within.value)


def test_a_cluster_with_an_inventory_says_nothing_else(lab, tmp_path):
    with pytest.raises(SuiteError, match=r"\$\.cluster\.lab: .*says nothing else"):
        read_suite(SUITE + 'note = "mine"\n', "two.toml", tmp_path)
    lab.unlink()
    with pytest.raises(SuiteError, match=r"boards/lab\.toml: cannot be read"):
        read_suite(SUITE, "two.toml", tmp_path)
