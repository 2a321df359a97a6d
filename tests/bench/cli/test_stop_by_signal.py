"""A real SIGTERM to a real ``coinfer run``: whole cells stay, the same command does the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coinfer.store import resolve_run

pytestmark = pytest.mark.alone

SCRIPT = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("made_up", sys.argv[1])
made_up = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_up)
from coinfer.cli import engine
fake = made_up.FakeEngine()
wait_s = float(sys.argv[2])
def slowly(*args, **kwargs):
    for one in fake.run_cells(*args, **kwargs):
        yield one
        time.sleep(wait_s)
engine.methods = lambda: dict.fromkeys(("nonn", "rocoin"), made_up.NoParameters)
engine.inputs_hash, engine.check, engine.run_cells = fake.inputs_hash, fake.check, slowly
engine.train = fake.train
from coinfer.__main__ import main
sys.argv = ["coinfer", "run", *sys.argv[3:]]
main()
"""


def start(wait_s: float, *arguments: object) -> subprocess.Popen[str]:
    conftest = Path(__file__).parent / "conftest.py"
    command = [sys.executable, "-c", SCRIPT, conftest, wait_s, *arguments]
    return subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_sigterm_keeps_whole_cells_and_the_rerun_does_the_rest(suite_file, tmp_path):
    out = tmp_path / "out"
    first = start(0.3, suite_file, "-o", out)
    assert first.stderr is not None
    for line in first.stderr:  # the first finished cell is told as a line
        if line.startswith("[1/24]"):
            break
    os.kill(first.pid, signal.SIGTERM)
    _, stderr = first.communicate(timeout=60)
    assert first.returncode == 143
    assert "the same command does the rest" in stderr
    assert "Traceback" not in stderr
    kept = resolve_run(out).contents()
    assert 1 <= len(kept.cells) < 24
    assert kept.corrupt == ()
    second = start(0.0, suite_file, "-o", out)
    _, stderr = second.communicate(timeout=60)
    assert second.returncode == 0, stderr
    assert f"{len(kept.cells)} of 24 cells are already done" in stderr
    assert len(resolve_run(out).contents().cells) == 24
