"""Commands run as a user would, outside the source tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# The tests are no package, and what makes the tables of pages is of use to these tests alone.
sys.path.insert(0, str(Path(__file__).parent))

# Runs several commands in one process, so that torch is imported once.
DRIVER = """
import json, sys
from coinfer.cli.app import app
for line in json.loads(sys.argv[1]):
    print("$ coinfer", *line, flush=True)
    try:
        app(line)
    except SystemExit as stop:
        print(f"exit code {stop.code or 0}", flush=True)
"""

Coinfer = Callable[..., list[str]]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models go: the digits teacher is trained once for all of these tests."""
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture
def coinfer(zoo: Path, tmp_path: Path) -> Coinfer:
    """Run commands in an empty folder; gives what each printed, with its exit code at the end."""

    def run(commands: Sequence[Sequence[str]], plugins: Path | None = None) -> list[str]:
        environment: dict[str, Any] = {
            **os.environ,
            "COINFER_ZOO": str(zoo),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(plugins or ""),
        }
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, json.dumps(commands)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        outputs = re.split(r"^\$ coinfer ", done.stdout, flags=re.MULTILINE)[1:]
        assert len(outputs) == len(commands), done.stdout + done.stderr
        for text in outputs:
            assert "exit code" in text, text + done.stderr
        return outputs

    return run
