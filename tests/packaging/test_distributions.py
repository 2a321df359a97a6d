"""What a user gets: the files of the sdist and of the wheel, and the wheel with NumPy alone."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", "venv", "build", "dist", "runs", ".*cache", ".benchmarks", ".hypothesis"),
    *("__pycache__", "*.egg-info", "*.so"),
)
EXAMPLES = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/kernels.md").read_text(encoding="utf-8"), re.DOTALL
)
BEYOND_NUMPY = re.compile(r"^import (torch|zmq)$", re.MULTILINE)
BUILD_SWITCHES = ("COINFER_NO_EXTENSION", "COINFER_SANITIZE", "PYTHONPATH")


class Distributions(NamedTuple):
    """The tree they were built from, the wheel, and the names in both files.

    Those of the sdist are without its own folder.
    """

    tree: Path
    wheel: Path
    in_sdist: frozenset[str]
    in_wheel: frozenset[str]


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    # What would change the build that users get, or lead to the source tree, is left out.
    given = {name: value for name, value in os.environ.items() if name not in BUILD_SWITCHES}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=given
    )


def can_build_here() -> bool:
    """Whether what pyproject.toml asks for is installed; else pip fetches it for the build."""
    if importlib.util.find_spec("pybind11") is None:
        return False
    try:
        return int(metadata.version("setuptools").partition(".")[0]) >= 77
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist from a copy of the tree, and the wheel from the sdist, which so must be whole."""
    folder = tmp_path_factory.mktemp("distributions")
    tree, out = folder / "tree", folder / "out"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
    options = ["--no-isolation"] if can_build_here() else []
    done = run(sys.executable, "-m", "build", *options, "--outdir", out, tree, cwd=folder)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    with tarfile.open(sdist) as tar:
        names = [member.name for member in tar.getmembers() if member.isfile()]
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = frozenset(archive.namelist())
    return Distributions(tree, wheel, frozenset(n.partition("/")[2] for n in names), in_wheel)


def below(tree: Path, folder: str, *roots: str) -> set[str]:
    """Files of the source tree below a folder, named from the folder of their source root."""
    found = set()
    for root in roots:
        for path in (tree / root / folder).rglob("*"):
            made = path.suffix == ".so" or {"__pycache__", "coinfer.egg-info"} & {*path.parts}
            if path.is_file() and not made:
                found.add(path.relative_to(tree / root).as_posix())
    return found


def lacking(wanted: Iterable[str], have: frozenset[str]) -> list[str]:
    return sorted(set(wanted) - have)


def test_the_wheel_holds_every_module_and_data_file(distributions):
    wanted = below(distributions.tree, "", "bench", "kernels", "datasets")
    assert len(wanted) > 100
    assert lacking(wanted, distributions.in_wheel) == []


@pytest.mark.parametrize(
    "name",
    [
        "coinfer_kernels/_native.pyi",
        *(f"{package}/py.typed" for package in ("coinfer", "coinfer_kernels", "coinfer_datasets")),
        "coinfer/suite/suites/quickstart.toml",
        "coinfer/suite/suites/smoke.toml",
        "coinfer/cluster/cost_table.json",
        "coinfer_datasets/manifest.json",
        "coinfer_datasets/data/fashion-mnist-test-2000.npz",
        "coinfer_datasets/data/NOTICE.fashion-mnist",
    ],
)
def test_a_file_that_is_easily_forgotten_is_in_both(distributions, name):
    assert name in distributions.in_wheel
    assert any(have.endswith(name) for have in distributions.in_sdist)


def test_the_wheel_holds_the_extension_and_no_source_of_it(distributions):
    native = re.compile(r"coinfer_kernels/_native\.[^/]*\.so")
    assert [name for name in distributions.in_wheel if native.fullmatch(name)]
    tops = {name.partition("/")[0] for name in distributions.in_wheel}
    packages = {"coinfer", "coinfer_kernels", "coinfer_datasets"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages


def test_every_checkpoint_is_in_both(distributions):
    kept = below(distributions.tree, "zoo", "bench/coinfer")
    assert {Path(name).suffix for name in kept} >= {".json", ".safetensors"}
    assert lacking((f"coinfer/{name}" for name in kept), distributions.in_wheel) == []
    assert lacking((f"bench/coinfer/{name}" for name in kept), distributions.in_sdist) == []


def test_the_reference_run_is_in_both(distributions):
    kept = below(distributions.tree, "reference", "results")
    assert kept
    assert lacking((f"results/{name}" for name in kept), distributions.in_sdist) == []
    assert lacking((f"coinfer/{name}" for name in kept), distributions.in_wheel) == []


def test_the_sdist_holds_what_it_takes_to_build_and_test(distributions):
    wanted = {
        *("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"),
        *("Makefile", "constraints.txt", "pyproject.toml", "setup.py"),
        *below(distributions.tree, "csrc", "."),
        *below(distributions.tree, "docs", "."),
        *below(distributions.tree, "tests", "."),
    }
    assert any(name.startswith("csrc/") for name in wanted)
    assert lacking(wanted, distributions.in_sdist) == []


def test_neither_holds_what_was_made_on_the_way(distributions):
    for name in distributions.in_sdist | distributions.in_wheel:
        assert "__pycache__" not in name
        assert not name.startswith(("results/runs", ".venv", "build/"))
    assert not [name for name in distributions.in_sdist if name.endswith(".so")]


@pytest.fixture(scope="module")
def bare(distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment into which `pip install` has put the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    pins = ROOT / "constraints.txt"
    options = ["-q", "--disable-pip-version-check", "-c", pins]
    done = run(python, "-m", "pip", "install", *options, distributions.wheel, cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return python


def test_the_wheel_alone_brings_numpy_and_nothing_else(bare, tmp_path):
    done = run(bare, "-m", "pip", "list", "--format=json", cwd=tmp_path)
    names = {row["name"] for row in json.loads(done.stdout)}
    assert names - {"pip", "setuptools", "wheel"} == {"coinfer", "numpy"}


def test_the_kernels_work_with_numpy_alone(bare, tmp_path):
    code = (
        "import sys, numpy as np, coinfer_kernels as ck\n"
        "x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(4, 16)\n"
        "assert np.array_equal(ck.decode(ck.encode(x, 'raw')), x)\n"
        "assert np.abs(ck.decode(ck.encode(x, 'int8')) - x).max() < 0.01\n"
        "assert ck.exit_scores(x).label.tolist() == [15] * 4\n"
        "assert 'torch' not in sys.modules\n"
        "print(ck.info()['backend'])"
    )
    done = run(bare, "-c", code, cwd=tmp_path)
    assert done.stdout.split() == ["native"], done.stderr


@pytest.mark.parametrize("code", [code for code in EXAMPLES if not BEYOND_NUMPY.search(code)],
                         ids=lambda code: code.splitlines()[0].strip("# "))  # fmt: skip
def test_the_examples_of_the_kernels_page_run_with_numpy_alone(bare, tmp_path, code):
    done = run(bare, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--help"], ["run", "smoke"], ["doctor"]])
def test_without_the_extra_the_command_says_which_to_install(bare, tmp_path, arguments):
    done = run(bare.parent / "coinfer", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().endswith("pip install 'coinfer[bench]'")
    assert list(tmp_path.iterdir()) == []
