"""The examples work as a user has them: a plug-in from outside the package, a suite file."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

GROUP = "coinfer.methods"
TERMINAL_ENDS = "exit code 0"
AS_JSON = "report out --format json"


def install(example: Path, site: Path) -> Path:
    """Do what pip would: the module, and the metadata by which its entry point is found."""
    project = tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))
    name = project["project"]["name"]
    info = site / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    points = project["project"]["entry-points"][GROUP]
    said = "\n".join(f"{point} = {target}" for point, target in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{said}\n")
    for module in project["tool"]["setuptools"]["py-modules"]:
        shutil.copy(example / f"{module}.py", site)
    return site


def commands_of(page: Path) -> list[list[str]]:
    """All lines of the page's shell blocks that call coinfer."""
    text = page.read_text(encoding="utf-8")
    scripts = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line, comments=True) for line in "".join(scripts).splitlines()]
    return [words[1:] for words in lines if words[:1] == ["coinfer"]]


def report(output: str) -> list[dict[str, object]]:
    cells: list[dict[str, object]] = json.loads(output[output.index("[") : output.rindex("]") + 1])
    return cells


@pytest.mark.slow
def test_a_method_from_outside_the_package(coinfer, root, tmp_path):
    site = install(root / "docs/examples/hedged_teacher", tmp_path / "site")
    (tmp_path / "docs").symlink_to(root / "docs")
    page = commands_of(root / "docs/adding-a-method.md")
    told = [*page, ["report", "--format", "json"]]
    *shown, as_json = coinfer(told, plugins=site)
    assert all(output.rstrip().endswith(TERMINAL_ENDS) for output in shown)
    assert "hedged" in shown[0]
    assert re.search(
        r"hedged gains [\d.]+ points of accuracy .*against local-teacher",
        " ".join(shown[1].split()),
    )
    assert "second      d2" in shown[2]
    cells = report(as_json)
    lost = {(c["method"], c["faults"]): c["failed"] for c in cells if c["run_seed"] == 0}
    assert lost["local-teacher", "fastest-dies"] > 0
    assert lost["hedged", "fastest-dies"] == lost["hedged", "none"] == 0
    # Without faults the first device is never late, so the hedge costs nothing.
    macs = {c["method"]: c["macs_per_request"] for c in cells if c["faults"] == "none"}
    assert macs["hedged"] == macs["local-teacher"]


@pytest.mark.slow
def test_a_model_of_ones_own(coinfer, root, tmp_path):
    site = install(root / "docs/examples/own_model", tmp_path / "site")
    (tmp_path / "docs").symlink_to(root / "docs")
    page = commands_of(root / "docs/adding-a-model.md")
    *shown, as_json = coinfer([*page, ["report", "--format", "json"]], plugins=site)
    assert all(output.rstrip().endswith(TERMINAL_ENDS) for output in shown)
    cells = {c["method"]: c for c in report(as_json)}
    assert all(c["status"] == "done" for c in cells.values())
    # Counted by hand: a 3x3 convolution on 8x8, and a linear layer on half of that a side.
    for method, hidden in (("own-model", 16), ("own-wide", 64)):
        assert cells[method]["macs_per_request"] == hidden * 9 * 64 + hidden * 16 * 10
        assert cells[method]["accuracy"] > 0.8


@pytest.mark.slow
def test_the_commands_of_the_page_about_suite_files(coinfer, root, tmp_path):
    page = root / "docs/suite-file.md"
    text = page.read_text(encoding="utf-8")
    suite = re.search(r"^```toml\n# two-boards\.toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert suite is not None
    (tmp_path / "two-boards.toml").write_text(suite[1], encoding="utf-8")
    outputs = coinfer(commands_of(page))
    assert [output.rstrip().rpartition(" ")[2] for output in outputs] == ["0"] * len(outputs)
    runs = sorted((tmp_path / "out").iterdir())
    assert len(runs) == 2  # the second `run` went on with the first; the last one is another
    cell = next((runs[0] / "cells").iterdir())
    assert {p.name for p in runs[0].iterdir()} == {
        *("run.json", "environment.json", "timings.jsonl", "cells")
    }
    assert {p.name for p in cell.iterdir()} == {"cell.json", "records.parquet"}
    for name, processes in (("two-boards", 2), ("crash", 1)):
        events = json.loads((tmp_path / f"{name}.json").read_bytes())["traceEvents"]
        assert {event["pid"] for event in events} == set(range(1, processes + 1))


@pytest.mark.slow
def test_the_commands_of_the_first_page(coinfer, root, tmp_path):
    page = root / "docs/start.md"
    text = page.read_text(encoding="utf-8")
    suite = re.search(r"^```toml\n# bits\.toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert suite is not None
    # Two seeds instead of six: what they show is the same, but for the verdicts.
    fewer, changes = re.subn(r"run_seed = .*", "run_seed = [0, 1]", suite[1])
    assert changes == 1
    (tmp_path / "bits.toml").write_text(fewer, encoding="utf-8")
    commands = commands_of(page)
    outputs = coinfer(commands)
    assert [output.rstrip().rpartition(" ")[2] for output in outputs] == ["0"] * len(outputs)
    by_command = {" ".join(words): output for words, output in zip(commands, outputs, strict=True)}
    assert by_command["run bits.toml -n"].count("method=nonn") == 6
    sent = {c["encoding"]: c["bytes_up_per_request"] for c in report(by_command[AS_JSON])}
    assert (sent["raw"], sent["int8"]) == (4 * 128, 128)  # the teacher has 128 filters
    assert sent["int4"] < sent["int8"]
    assert json.loads((tmp_path / "bits.json").read_bytes())["traceEvents"]
