"""Files of pytest-benchmark: what ``make bench-kernels`` writes, and what others write with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from coinfer.errors import ResultError, UsageError
from coinfer.suite.schema import Value

# Coordinates in the order in which they are named; all but the first may be absent.
_WHERE = ("kernel", "size", "backend", "isa")


class _Stats(msgspec.Struct):
    median: float
    data: tuple[float, ...] | None = None


class Benchmark(msgspec.Struct, frozen=True):
    """One benchmark.

    Attributes
    ----------
    fullname : str
        File and test.
    stats : struct
        ``median`` and ``data``, the seconds of each round.
    extra_info : dict
        What the benchmark says of itself; those of the kernels say what they are held against.
    """

    fullname: str
    stats: _Stats
    extra_info: dict[str, Any] = {}

    @property
    def where(self) -> dict[str, Value]:
        """What is measured: kernel, size, back end and instruction set, or else the test."""
        if "kernel" not in self.extra_info:
            return {"benchmark": self.fullname}
        return {
            name: str(self.extra_info[name])
            for name in _WHERE
            if self.extra_info.get(name) is not None
        }

    @property
    def seconds(self) -> tuple[float, ...]:
        """Time of a call, round by round."""
        return self.stats.data or ()

    @property
    def memcpy_seconds(self) -> tuple[float, ...]:
        """Time of a memcpy of the same bytes beside each round; empty where none was made."""
        return tuple(1e-9 * ns for ns in self.extra_info.get("memcpy_ns", ()))

    @property
    def best_peer(self) -> str | None:
        """The fastest of the peers that do the same."""
        name: str | None = self.extra_info.get("best_peer")
        return name

    @property
    def best_peer_seconds(self) -> tuple[float, ...]:
        """Its time beside each round; empty where none was taken."""
        return tuple(1e-9 * ns for ns in self.extra_info.get("best_peer_ns", ()))

    @property
    def is_peer(self) -> bool:
        """Whether it measures somebody else's code, for comparison."""
        return self.extra_info.get("role") == "peer"


class BenchmarkFile(msgspec.Struct, frozen=True):
    """What one run of pytest-benchmark measured, and on which machine.

    Attributes
    ----------
    machine_info : dict
    benchmarks : tuple of Benchmark
    """

    machine_info: dict[str, Any]
    benchmarks: tuple[Benchmark, ...]

    @property
    def machine(self) -> str:
        """Processor, as far as it decides how fast things are."""
        cpu = self.machine_info.get("cpu", {}).get("brand_raw") or "unknown processor"
        return f"{cpu} ({self.machine_info.get('machine', 'unknown architecture')})"


def is_benchmark_file(path: Path) -> bool:
    """Whether a path means such a file, or a folder of them, rather than a run."""
    return path.is_file() or path.suffix == ".json" or bool(_files_in(path))


def _files_in(folder: Path) -> list[Path]:
    """Files of benchmarks that lie in a folder, by name; a run has files of its own."""
    if (folder / "run.json").exists():
        return []
    return sorted(folder.glob("*.json"))


def read_repeats(path: Path) -> tuple[BenchmarkFile, ...]:
    """Read a file of pytest-benchmark, or all files of a folder in the order of their names.

    Raises
    ------
    UsageError
        If there is no such file.
    ResultError
        If one is something else, or lacks the rounds that intervals come from.
    """
    return tuple(map(read_benchmarks, _files_in(path) or [path]))


def read_benchmarks(path: Path) -> BenchmarkFile:
    """Read a file of pytest-benchmark.

    Raises
    ------
    UsageError
        If there is no such file.
    ResultError
        If it is something else, or lacks the rounds that intervals come from.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        found = msgspec.json.decode(text, type=BenchmarkFile)
    except msgspec.MsgspecError as error:
        raise ResultError(f"{path}: no file of pytest-benchmark: {error}") from None
    for benchmark in found.benchmarks:
        if not benchmark.seconds:
            raise ResultError(
                f"{path}: {benchmark.fullname} has no rounds; write the file with "
                "--benchmark-json, or save it with --benchmark-save-data"
            )
    return found
