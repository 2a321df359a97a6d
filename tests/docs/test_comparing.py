"""docs/comparing.md and docs/ci.md do what they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from coinfer.cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8")
WORKFLOW = ROOT / "docs" / "examples" / "benchmarks.yml"


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def coinfer_lines(script):
    lines = [shlex.split(line, comments=True) for line in script.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["coinfer"]]


def exit_codes(outputs):
    return [int(output.rstrip().rpartition(" ")[2]) for output in outputs]


def test_the_sentences_of_the_page_are_those_of_the_reference_run():
    (command,) = [c for c in coinfer_lines("".join(blocks(PAGE, "sh"))) if "--metric" in c]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    (shown,) = blocks(PAGE, "text")
    assert set(shown.splitlines()) <= set(done.stdout.splitlines())


@pytest.mark.parametrize("option", ["compare", "report"])
def test_every_option_that_compares_or_exports_is_on_the_page(option):
    command = typer.main.get_command(app).commands[option]
    names = {name for p in command.params for name in p.opts if name.startswith("--")}
    told = {"compare": names - {"--help"}, "report": {n for n in names if "-export-" in n}}
    missing = {n for n in told[option] - {"--export-trace"} if f"{n}" not in PAGE}
    assert not missing


@pytest.mark.slow
def test_the_commands_of_the_page(coinfer, tmp_path):
    commands = coinfer_lines("".join(blocks(PAGE, "sh")))
    outputs = coinfer(commands)
    assert exit_codes(outputs) == [0] * len(outputs)
    assert "first → last" in "".join(outputs)
    assert {p.name for p in (tmp_path / "tables").iterdir()} == {
        f"{name}.{ending}" for name in ("cells", "records") for ending in ("csv", "parquet")
    }
    assert r"\toprule" in (tmp_path / "before.tex").read_text()


@pytest.mark.slow
def test_the_script_of_the_page(zoo, tmp_path):
    """A process of its own: it starts others, which read it again."""
    script = ROOT / "docs" / "examples" / "from_python.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "COINFER_ZOO": str(zoo), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "sentence" in done.stdout


def test_the_workflow_is_the_one_on_the_page():
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert blocks(page, "yaml") == [WORKFLOW.read_text(encoding="utf-8")]
    parsed = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert parsed[True] == "pull_request"  # YAML 1.1 reads `on` so, and GitHub reads it as `on`
    assert parsed["defaults"]["run"]["shell"] == "bash"
    (job,) = parsed["jobs"].values()
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])


def workflow_commands():
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    script = "\n".join(step.get("run", "") for step in job["steps"])
    return coinfer_lines("\n".join(line.partition(" | ")[0] for line in script.splitlines()))


@pytest.mark.slow
def test_the_workflow_passes_when_nothing_has_changed(coinfer):
    *runs, compare = workflow_commands()
    assert [command[:2] for command in runs] == [["run", "smoke"]] * 2
    outputs = coinfer([*runs, compare])
    assert exit_codes(outputs) == [0, 0, 0]
