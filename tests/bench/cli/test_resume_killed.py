"""Runs that are killed at random points and resumed end as one that was not, no cell done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from coinfer.store import resolve_run

KILLS = 10
# Made-up cells (see conftest.py), one after another; every one that begins leaves a line.
SCRIPT = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("made_up", sys.argv[1])
made_up = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_up)
from coinfer.cli import engine
fake = made_up.FakeEngine()
wait_s = float(sys.argv[2])
begun = open(sys.argv[3], "a")
def slowly(cells, **options):
    for cell in cells:
        print(cell.key, file=begun, flush=True)
        time.sleep(wait_s)
        yield from fake.run_cells([cell], **options)
engine.methods = lambda: dict.fromkeys(("nonn", "rocoin"), made_up.NoParameters)
engine.inputs_hash, engine.check, engine.run_cells = fake.inputs_hash, fake.check, slowly
engine.train = fake.train
from coinfer.__main__ import main
sys.argv = ["coinfer", "run", *sys.argv[4:]]
main()
"""


def start(*command: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def kill(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """Kill the one process; gives what was below it."""
    below = psutil.Process(run.pid).children(recursive=True)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGKILL
    return below


def stored(output: Path) -> set[str]:
    """Keys of the cells that are there, whole."""
    if not list(output.glob("*/run.json")):
        return set()
    contents = resolve_run(output).contents()
    assert contents.corrupt == ()
    return {cell.cell.key for cell in contents.cells}


def cell_bytes(output: Path) -> dict[str, bytes]:
    cells = resolve_run(output).path / "cells"
    return {
        str(p.relative_to(cells)): p.read_bytes() for p in sorted(cells.rglob("*")) if p.is_file()
    }


@pytest.mark.slow
def test_ten_kills_at_random_points_change_nothing(suite_file, tmp_path):
    draws = random.Random(0)
    made_up, begun = Path(__file__).parent / "conftest.py", tmp_path / "begun"
    out, straight = tmp_path / "out", tmp_path / "straight"
    begun.touch()
    for _ in range(KILLS):
        before, lines = stored(out), len(begun.read_text().splitlines())
        run = start("-c", SCRIPT, made_up, 0.05, begun, suite_file, "-o", out, cwd=tmp_path)
        # Some while after it began its first, second or third cell: before, in or after writing it.
        wanted = lines + draws.randint(1, 3)
        while len(begun.read_text().splitlines()) < wanted and run.poll() is None:
            time.sleep(0.001)
        time.sleep(draws.uniform(0, 0.12))
        if run.poll() is not None:
            break
        kill(run)
        again = set(begun.read_text().splitlines()[lines:]) & before
        assert not again, "a cell that was there was run once more"
        assert stored(out) >= before
    else:
        assert len(stored(out)) < 24, "there is something left to resume"
    last = start("-c", SCRIPT, made_up, 0, begun, suite_file, "-o", out, cwd=tmp_path)
    _, told = last.communicate(timeout=120)
    assert last.returncode == 0, told
    whole = start("-c", SCRIPT, made_up, 0, begun, suite_file, "-o", straight, cwd=tmp_path)
    assert whole.wait(timeout=120) == 0
    assert len(stored(out)) == 24
    assert cell_bytes(out) == cell_bytes(straight)
    assert len(list(out.iterdir())) == 1
    assert max(timings(out).values()) == 1


def timings(output: Path) -> Counter[str]:
    lines = (resolve_run(output).path / "timings.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["cell"] for line in lines)


@pytest.mark.slow
def test_real_cells_survive_kills_and_leave_no_worker_behind(tmp_path):
    """The same with real cells in virtual time, whose workers must go with the run."""
    draws = random.Random(1)
    command = ("-m", "coinfer", "run", "smoke", "-m", "local-teacher", "-m", "nonn", "-j", "2")
    for _ in range(3):
        before = stored(tmp_path / "out")
        run = start(*command, "-o", tmp_path / "out", cwd=tmp_path)
        assert run.stderr is not None
        told = ""
        for line in run.stderr:
            told += line
            if line.startswith(f"[{draws.randint(1, 2)}/"):
                break
        time.sleep(draws.uniform(0, 0.05))
        below = kill(run) if run.poll() is None else []
        _, left = psutil.wait_procs(below, timeout=60)
        assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE], told
        assert stored(tmp_path / "out") >= before
    for output in ("out", "whole"):
        assert start(*command, "-o", tmp_path / output, cwd=tmp_path).wait(timeout=300) == 0
    assert cell_bytes(tmp_path / "out") == cell_bytes(tmp_path / "whole")
    assert max(timings(tmp_path / "out").values()) == 1
