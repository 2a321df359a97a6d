"""What the pages show is true: code runs, files parse, commands and links exist."""

from __future__ import annotations

import importlib
import re
import shlex
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from coinfer.cli import BOARD_COMMANDS, board
from coinfer.cli.app import app
from coinfer.cluster import BOARDS, CLUSTERS, Cluster, Device, Fault, Link, Workload
from coinfer.cluster.faults import KINDS
from coinfer.methods import parameter_types
from coinfer.methods.portions import PortionParameters
from coinfer.metrics import METRICS
from coinfer.suite import AXES, expand
from coinfer.suite.load import read_suite
from coinfer.suite.schema import Defaults

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# docs/kernels.md has a test of its own, beside the kernels.
RUN_ELSEWHERE = "docs/kernels.md"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(language: str) -> list[Any]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    found = []
    for path in PAGES:
        for number, code in enumerate(fence.findall(path.read_text(encoding="utf-8"))):
            found.append(pytest.param(code, id=f"{name_of(path)}-{number}"))
    return found


def lines(script: str) -> Iterator[list[str]]:
    for line in script.splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=\S*", words[0]):
            words = words[1:]
        if words:
            yield words


@pytest.mark.parametrize("code", [b for b in blocks("python") if RUN_ELSEWHERE not in b.id])
def test_python_blocks_run(code, tmp_path, monkeypatch):
    quoted = re.match(r"# from (\S+)\n", code)
    if quoted:
        assert code[quoted.end() :].strip() in (ROOT / quoted[1]).read_text(encoding="utf-8")
        return
    monkeypatch.setenv("COINFER_ZOO", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exec(compile(code, "example", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("text", blocks("toml"))
def test_toml_blocks_are_suites_or_at_least_toml(text):
    read = tomllib.loads(text)
    if "schema" in read:
        assert expand(read_suite(text, "page"), parameter_types())
    if "boards" in read:
        assert msgspec.convert(read, Cluster).boards is not None


@pytest.mark.parametrize("script", blocks("sh"))
def test_commands_exist_and_take_these_options(script):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for program, *arguments in lines(script):
        if program == "make":
            assert {word for word in arguments if "=" not in word} <= set(targets)
        elif program == "coinfer":
            parse(arguments)
        elif program == "dask":
            command = importlib.import_module(f"distributed.cli.dask_{arguments[0]}").main
            command.make_context("dask", arguments[1:])
        else:
            known = {"pip", "python", "ruff", "mypy", ".ci/run", "pre-commit", "git", ".", "rm"}
            assert program in known | {"mv"}


def parse(arguments: list[str]) -> None:
    """Let the command line look at the arguments, without doing what they say."""
    if arguments[0] in BOARD_COMMANDS:
        board.parser().parse_args(arguments)
        return
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("coinfer", rest)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_within_the_project_lead_somewhere(path):
    # The picture is made from a run, and may be missing in a tree that has none yet.
    later = {"docs/report.svg"}
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http") and target not in later:
            assert (path.parent / target).exists(), target


def section(page: str, heading: str) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def defaults_in(text: str) -> dict[str, Any]:
    """First two columns of a table: names and defaults, both in backticks."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", text, re.MULTILINE)
    return {name: tomllib.loads(f"value = {default}")["value"] for name, default in rows}


def in_code(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {f.name: msgspec.to_builtins(f.default) for f in msgspec.structs.fields(kind)}


# Not those of plug-ins that happen to be installed.
OWN = [n for n, kind in parameter_types().items() if kind.__module__.startswith("coinfer.")]


@pytest.mark.parametrize("method", OWN)
def test_every_parameter_of_a_method_is_documented_with_its_default(method):
    common = defaults_in((ROOT / "docs/methods.md").read_text("utf-8").partition("\n## ")[0])
    own = defaults_in(section("methods.md", f"## `{method}`"))
    kind = parameter_types()[method]
    if issubclass(kind, PortionParameters):
        common |= defaults_in(section("methods.md", "## Lost portions"))
    assert common | own == in_code(kind)


def test_every_axis_is_documented_with_its_default():
    text = section("suite-file.md", "## Keys")
    table = text.partition("### Axes and defaults")[2].partition("###")[0]
    coded = {name: value for name, value in in_code(Defaults).items() if name in AXES}
    # None means what COINFER_KERNELS says, and "native" where it says nothing.
    assert coded["kernels"] is None
    assert defaults_in(table) == coded | {"kernels": "native"}


STATED = {
    "### `defaults.workload`": Workload,
    "### `[cluster.<name>]`": Cluster,
    "#### Devices": Device,
    "#### Links": Link,
    "### `[faults.<name>]`": Fault,
}


@pytest.mark.parametrize("heading", STATED)
def test_every_key_of_a_table_is_documented_with_its_default(heading):
    page = (ROOT / "docs" / "suite-file.md").read_text("utf-8")
    text = page.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    table = text.partition("| key | default | meaning |\n")[2].partition("\n\n")[0]
    coded = {f.name: f.default for f in msgspec.structs.fields(STATED[heading])}
    for field in msgspec.structs.fields(STATED[heading]):
        if field.default_factory is not msgspec.NODEFAULT:
            coded[field.name] = field.default_factory()
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == order_of(coded, table)
    simple = {n: v for n, v in coded.items() if v is not None and v is not msgspec.NODEFAULT}
    assert defaults_in(table) == simple


def order_of(names: Iterable[str], table: str) -> list[str]:
    """Names in the order in which a page has them, which is its own; missing ones at the end."""
    return sorted(names, key=lambda name: table.find(f"| `{name}` |") % (len(table) + 1))


def test_every_board_preset_and_kind_of_fault_is_documented():
    told = section("suite-file.md", "## Keys")
    first = set(re.findall(r"^\| `([\w-]+)` \|", told, re.MULTILINE))
    assert set(CLUSTERS) | set(KINDS) <= first
    (boards,) = re.findall(r"^\| `like` .*", told, re.MULTILINE)
    assert set(BOARDS) == set(re.findall(r"`([\w-]+-?\w*)`", boards.partition("devices`")[2]))


def test_every_metric_is_documented():
    told = section("suite-file.md", "## Keys").partition("### `[report]`")[2]
    assert set(METRICS) <= set(re.findall(r"`(\w+)`", told))


def test_every_option_of_run_is_documented():
    command: Any = typer.main.get_command(app)
    told = section("suite-file.md", "## Running")
    for parameter in command.commands["run"].params:
        options = [name for name in parameter.opts if name.startswith("--")]
        assert all(name in told for name in options if name != "--help"), options
