"""Imports run downward only: who may import whom among the rooms of the suite."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "bench" / "coinfer"

# From the ground up. A room may import itself, `errors` and what stands behind it.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "contract": set(),
    "models": {"contract"},
    "cluster": {"contract"},
    "planning": {"cluster", "models"},
    # Beyond the plan of the house: references to modules, and what is kept of a plan.
    "training": {"contract", "models", "planning.graph", "planning.partition", "datasets"},
    "methods": {"contract", "models", "cluster", "planning", "training", "kernels"},
    "suite": {"cluster"},
    "runtime": {"contract", "cluster", "kernels"},
    # Costs per device need the cluster; deadline and workload come with the cell.
    "metrics": {"runtime.record", "cluster", "suite"},
    "store": {"suite", "runtime.record"},
    "stats": {"store", "suite", "metrics"},
    "report": {"store", "stats", "suite", "metrics"},
    "execute": {
        *("contract", "models", "cluster", "planning", "training", "methods", "suite"),
        *("runtime", "metrics", "store", "kernels", "datasets"),
    },
}
OUTSIDE = {"coinfer_kernels": "kernels", "coinfer_datasets": "datasets"}
# May import everything.
TOP = {"cli", "api", "__main__", "__init__"}


def room_of(path: Path) -> str:
    first = path.relative_to(SUITE).parts[0]
    return first.removesuffix(".py")


def is_room(name: str) -> bool:
    return bool(name) and ((SUITE / name).is_dir() or (SUITE / f"{name}.py").is_file())


def imported(path: Path) -> Iterator[str]:
    """Modules that a file imports anywhere, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: say where you import from in full"
            assert node.module is not None
            yield node.module
            if node.module == "coinfer":
                yield from (f"coinfer.{alias.name}" for alias in node.names)


def imported_at_run_time(path: Path) -> Iterator[str]:
    """Modules that a file of the kernels imports, what is for types alone left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def targets(path: Path) -> Iterator[str]:
    """Rooms, down to the module, and packages of this project that a file imports."""
    for name in imported(path):
        package, _, rest = name.partition(".")
        if package in OUTSIDE:
            yield OUTSIDE[package]
        elif package == "coinfer" and is_room(rest.partition(".")[0]):
            yield rest


def allowed(room: str, target: str) -> bool:
    parts = target.split(".")
    rooms = ALLOWED[room] | {room, "errors"}
    return any(".".join(parts[:count]) in rooms for count in range(1, len(parts) + 1))


MODULES = [p for p in sorted(SUITE.rglob("*.py")) if room_of(p) not in TOP]


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in MODULES} == set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room):
    wrong = {
        f"{path.relative_to(SUITE)} imports {target}"
        for path in MODULES
        if room_of(path) == room
        for target in targets(path)
        if not allowed(room, target)
    }
    assert not wrong


def test_there_are_no_circles():
    # `training` uses two modules of `planning`, and those may not come back.
    graph = {
        room: {name.partition(".")[0] for name in names} - {"kernels", "datasets"}
        for room, names in ALLOWED.items()
    }
    order = list(TopologicalSorter(graph).static_order())
    assert order[-1] in ("execute", "report")


def test_nobody_imports_the_command_line():
    assert not [p for p in MODULES if any(t.partition(".")[0] in TOP for t in targets(p))]


def test_the_kernels_import_numpy_and_numba_alone():
    known = {"numpy", "numba", "coinfer_kernels", *sys.stdlib_module_names}
    for path in (ROOT / "kernels").rglob("*.py"):
        assert {name.partition(".")[0] for name in imported_at_run_time(path)} <= known, path.name


def test_the_data_sets_import_errors_of_the_suite_alone():
    for path in (ROOT / "datasets").rglob("*.py"):
        rooms = set(targets(path)) - {"datasets"}
        assert rooms <= {"errors"}, path.name
