"""What is left when a run is ended from outside: finished cells, and no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SUITE = """
schema = 1
name = "lifecycle"
question = "What is left when a run is ended?"

[defaults]
dataset = "digits"
mode = "{mode}"
workload = {{ kind = "single-stream", requests = {requests} }}

[axes]
method = ["local-teacher"]
cluster = ["mixed-4"]
run_seed = [0, 1, 2, 3]
"""


def start(tmp_path: Path, mode: str, requests: int) -> subprocess.Popen[str]:
    suite = tmp_path / "lifecycle.toml"
    suite.write_text(SUITE.format(mode=mode, requests=requests))
    command = [sys.executable, "-m", "coinfer", "run", str(suite), "-o", str(tmp_path / "out")]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def cells(tmp_path: Path) -> dict[str, bytes]:
    # Not those that are still being written aside, under a name with a dot.
    found = tmp_path.glob("out/*/cells/[!.]*/cell.json")
    return {path.parent.name: path.read_bytes() for path in found}


def wait_until(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("what was waited for did not come")
        time.sleep(0.05)


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("virtual", signal.SIGKILL),
        ("virtual", signal.SIGTERM),
        ("realtime", signal.SIGKILL),
        ("realtime", signal.SIGINT),
    ],
)
def test_nothing_is_left_but_finished_cells_and_the_same_command_goes_on(tmp_path, mode, how):
    requests = 3000 if mode == "virtual" else 20
    process = start(tmp_path, mode, requests)
    wait_until(lambda: cells(tmp_path) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    family = descendants(process)
    assert family, "there are processes that could be left behind"
    os.kill(process.pid, how)
    output, _ = process.communicate(timeout=60)
    if how != signal.SIGKILL:
        assert process.returncode == (130 if how == signal.SIGINT else 143)
        assert "the same command does the rest" in output
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []

    kept = cells(tmp_path)
    again = start(tmp_path, mode, requests)
    output, _ = again.communicate(timeout=200)
    assert again.returncode == 0, output
    assert "already done" in output
    whole = cells(tmp_path)
    assert len(whole) == 4
    assert {name: whole[name] for name in kept} == kept, "what was done was not done again"
    assert not list(tmp_path.glob("out/*/cells/*.part")), "nothing is half-written"
