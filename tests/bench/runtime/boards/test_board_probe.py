"""A probe finds the boards that are there, and names those that are not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_the_command_measures_boards_that_join_and_names_the_others(bind, start, tmp_path):
    inventory = tmp_path / "lab.toml"
    inventory.write_text(
        'devices = [{ name = "a", macs_per_s = 1e9 }, { name = "b", macs_per_s = 1e9 }]\n'
        'links = { "*" = { up_bps = 1e8 } }\n'
        f'boards = {{ bind = "{bind}", join_s = 40 }}\n'
    )
    start("a", bind)
    command = [sys.executable, "-m", "coinfer", "devices", "probe", str(inventory)]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stderr == "did not join: b\n"
    told = json.loads(done.stdout)
    assert told["missing"] == ["b"]
    (board,) = told["boards"]
    assert board["name"] == "a"
    assert board["facts"]["cores"] >= 1
    for figure in ("round_trip_us", "down_bps", "up_bps", "reference_macs_per_s"):
        assert board[figure] > 0
