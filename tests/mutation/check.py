"""Break the kernels on purpose, one at a time, and see that the tests notice.

python tests/mutation/check.py [START_OF_A_NAME ...] [--jobs 2] [--markdown FILE]

Every mutant of ``mutants.toml`` is a change of one place in one file. For each, the kernels are
built in a copy of the working tree and ``tests/kernels`` is run over the back end that the file
belongs to, until the first failure; the tests of what was changed come first. A mutant that no test
notices survives, and the exit code is 1. One of an instruction set that this machine cannot run is
not run. With a compiler cache (``CC="ccache gcc" CXX="ccache g++"``) only what a mutant touches is
compiled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.progress import track

from coinfer_kernels import backend

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIED = ("csrc", "kernels", "tests/kernels", "docs", "setup.py", "pyproject.toml", "README.md")
TIMEOUT_S = 600
NOT_RUN = "not run: this machine has no"
FIRST = {  # by what the name of a mutant begins with, back end aside
    "crc": "test_crc.py",
    **dict.fromkeys(
        ("scores", "decide", "few", "many", "exponential", "logarithm", "margin", "change"),
        "test_confidence.py",
    ),
    **dict.fromkeys(("thresholds", "masks"), "test_temperature_and_mask.py"),
    "patience": "test_patience.py",
    "gather": "test_batches.py",
    **dict.fromkeys(("frame", "content"), "test_malformed.py"),
    **dict.fromkeys(("columns", "ranges", "spans", "nibbles", "quantiser"), "test_quantised.py"),
    **dict.fromkeys(("sparse", "population", "compress", "expand"), "test_sparse.py"),
    **dict.fromkeys(("fp16", "bf16"), "test_halves.py"),
    "copies": "test_codec.py",
    "batches": "test_batches.py",
    "dispatch": "test_native.py",
}
TESTS_FAILED = 1  # pytest's exit code; the others mean that it could not run them


@dataclass(frozen=True)
class Mutant:
    """One deliberate mistake.

    Attributes
    ----------
    name : str
    file : str
        Relative to the root of the repository.
    old, new : str
        The text that is replaced, which must occur exactly once, and what replaces it.
    """

    name: str
    file: str
    old: str
    new: str

    @property
    def backend(self) -> str:
        """Back end whose tests have to notice."""
        if self.file.startswith("csrc"):
            return "native"
        return "numba" if "numba" in self.file else "reference"

    @property
    def isa(self) -> str | None:
        """Instruction set without which nothing can notice; None where any will do."""
        named = [isa for isa in ("AVX-512", "AVX2") if isa in self.name]
        return named[0].replace("-", "").lower() if named else None

    @property
    def tests(self) -> list[str]:
        """Files of tests to begin with."""
        words = self.name.replace(":", " ").replace(",", " ").split()
        return [FIRST[word] for word in words[:2] if word in FIRST]


def mutants() -> list[Mutant]:
    """Every mutant of the list, each of which must still fit the code."""
    found = tomllib.loads((HERE / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
    listed = [Mutant(**entry) for entry in found]
    for mutant in listed:
        count = (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old)
        if count != 1:
            raise SystemExit(f"{mutant.name}: its text occurs {count} times in {mutant.file}")
    return listed


def outcome(mutant: Mutant) -> str:
    """``killed by TEST``, ``survived``, or what kept the tests from running."""
    if mutant.isa and mutant.isa not in runnable():
        return f"{NOT_RUN} {mutant.isa}"
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                built = ["*.so"] if mutant.backend == "native" else []
                skip = shutil.ignore_patterns("__pycache__", *built)
                shutil.copytree(source, tree / name, ignore=skip)
            else:
                shutil.copy2(source, tree / name)
        target = tree / mutant.file
        text = target.read_text(encoding="utf-8")
        target.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(tree / "kernels"), "OMP_NUM_THREADS": "1"}
        if mutant.backend == "native":
            # What is asked is whether the result is right, not how fast it comes.
            setup = tree / "setup.py"
            setup.write_text(setup.read_text(encoding="utf-8").replace('"-O3"', '"-O1"'))
            build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
            if _run(build, tree, environment).returncode != 0:
                return "does not compile"
        tests = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", mutant.backend]
        likely = [f"tests/kernels/{name}" for name in mutant.tests]
        try:
            # Two calls: pytest would put files back in their place in the folder.
            for files in filter(None, (likely, ["tests/kernels"])):
                ran = _run([sys.executable, *tests, *files], tree, environment)
                if ran.returncode != 0:
                    break
        except subprocess.TimeoutExpired:
            return "killed by the time limit"
    if ran.returncode == 0:
        return "survived"
    failed = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("FAILED ")]
    if ran.returncode < 0 or ran.returncode > 128:
        return f"killed by signal {abs(ran.returncode)}"
    if ran.returncode != TESTS_FAILED or not failed:
        return f"pytest ended with {ran.returncode}: {ran.stdout[-300:]}"
    return f"killed by {failed[0].removeprefix('tests/kernels/')}"


@cache
def runnable() -> frozenset[str]:
    """Instruction sets of this machine."""
    return frozenset(backend.load("native").instruction_set().isa_available)


def _run(
    command: list[str], tree: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=tree,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
    )


def main() -> int:
    """Check the mutants that were named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="how the names of the mutants begin")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--markdown", type=Path, help="write the outcomes as a table")
    options = parser.parse_args()
    chosen = [m for m in mutants() if m.name.startswith(tuple(options.names) or "")]
    console = Console()
    table = []
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = zip(chosen, pool.map(outcome, chosen), strict=True)
        for mutant, result in track(outcomes, "mutants", total=len(chosen), console=console):
            table.append((mutant.name, mutant.file, result))
            console.print(": ".join(table[-1]), highlight=False, markup=False, soft_wrap=True)
    if options.markdown:
        lines = ["| mutant | file | outcome |", "|---|---|---|"]
        lines += [f"| {name} | `{file}` | {result} |" for name, file, result in table]
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = [result for _, _, result in table]
    run = [result for result in results if not result.startswith(NOT_RUN)]
    killed = sum(result.startswith("killed") for result in run)
    console.print(f"{killed} of {len(run)} mutants killed, {len(results) - len(run)} not run")
    return 0 if killed == len(run) else 1


if __name__ == "__main__":
    sys.exit(main())
