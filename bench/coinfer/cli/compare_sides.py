"""What ``coinfer compare`` holds against what: reads it, and asks the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coinfer.errors import UsageError
from coinfer.metrics import BENCHMARK_METRICS, Metric, metric
from coinfer.stats import (
    Repeats,
    Rules,
    Series,
    Side,
    between_benchmarks,
    between_runs,
    grades_of,
    history,
    within_run,
)
from coinfer.store import find_runs, is_benchmark_file, read_repeats, resolve_run
from coinfer.suite import AXES, SEED_AXES

if TYPE_CHECKING:
    from coinfer.stats import Row
    from coinfer.store import RunFolder

_DEFAULT_METRICS = ("accuracy", "latency_p50_ms", "macs_per_request", "bytes_up_per_request")
_DEFAULT_BENCHMARK_METRICS = ("time_ns",)


class Compared(NamedTuple):
    """The rows of a table, and one line for each result that could not be read.

    `runs` are those that they are of, by label; files of benchmarks are none.
    """

    rows: Sequence[Row]
    corrupt: Sequence[str] = ()
    runs: Sequence[tuple[str, RunFolder]] = ()


def compared(
    paths: Sequence[Path],
    by: str | None,
    base: str | None,
    names: Sequence[str] | None,
    rules: Rules,
) -> Compared:
    """Compare files of benchmarks, the values of an axis within a run, or runs.

    Raises
    ------
    UsageError
        If the paths and options do not go together.
    ResultError
        If a run or a file is damaged.
    """
    if any(is_benchmark_file(path) for path in paths):
        return _benchmarks(paths, by or base, names, rules)
    if len(paths) == 1:
        return _within(paths[0], by, base, names, rules)
    return _between(paths, by or base, names, rules)


def over_time(
    folder: Path, names: Sequence[str] | None, rules: Rules
) -> tuple[Sequence[Series], Sequence[str]]:
    """Compare the runs of a folder in the order of their time; all are of the newest one's suite.

    Raises
    ------
    UsageError
        If there are fewer than two.
    """
    runs = find_runs(folder)
    same = [run for run in reversed(runs) if run.info.suite.name == runs[0].info.suite.name]
    if len(same) < 2:
        what = f"one run of {runs[0].info.suite.name!r}" if runs else "no run"
        raise UsageError(f"--history {folder}: holds {what}; it takes two of one suite")
    sides, corrupt = _sides(same, [run.path.name for run in same])
    return history(sides, _metrics(names), rules), corrupt


def _benchmarks(
    paths: Sequence[Path], axis: str | None, names: Sequence[str] | None, rules: Rules
) -> Compared:
    runs = [path for path in paths if not is_benchmark_file(path)]
    if runs:
        raise UsageError(f"{runs[0]}: is a run, the others are benchmarks; give one kind")
    if len(paths) < 2 or axis is not None:
        raise UsageError(
            "benchmarks are compared between files, or folders of files: coinfer compare BASE.json "
            "NEW.json, without --by and --base"
        )
    wanted = names or _DEFAULT_BENCHMARK_METRICS
    metrics = [metric(name, among=BENCHMARK_METRICS) for name in wanted]
    labels = _labels(paths, [path.name for path in paths])
    base, *news = (
        Repeats(label, read_repeats(path)) for label, path in zip(labels, paths, strict=True)
    )
    return Compared(between_benchmarks(base, news, metrics, rules))


def _within(
    path: Path,
    by: str | None,
    base: str | None,
    names: Sequence[str] | None,
    rules: Rules,
) -> Compared:
    metrics = _metrics(names)
    by = by or "method"
    axes = [axis for axis in AXES if axis not in SEED_AXES]
    if by not in axes:
        raise UsageError(f"--by {by}: no axis to compare along; allowed: {', '.join(axes)}")
    run = resolve_run(path)
    contents = run.contents()
    values = list(dict.fromkeys(str(s.cell.coordinates[by]) for s in contents.cells))
    if base not in values:
        said = "--base is missing" if base is None else f"--base {base}: not in this run"
        raise UsageError(
            f"{said}; allowed: {', '.join(values)} (or give two runs: coinfer compare BASE NEW)"
        )
    rows = within_run(contents.cells, metrics, rules, base=base, by=by, grades=grades_of(run))
    return Compared(rows, contents.corrupt, [(run.path.name, run)])


def _between(
    paths: Sequence[Path], axis: str | None, names: Sequence[str] | None, rules: Rules
) -> Compared:
    if axis is not None:
        raise UsageError("--by and --base compare within one run; give one run, or leave them out")
    metrics = _metrics(names)
    runs = [resolve_run(path) for path in paths]
    labels = _labels(paths, [run.path.name for run in runs])
    (base, *news), corrupt = _sides(runs, labels)
    rows = between_runs(base, news, metrics, rules)
    return Compared(rows, corrupt, list(zip(labels, runs, strict=True)))


def _sides(runs: Sequence[RunFolder], labels: Sequence[str]) -> tuple[list[Side], list[str]]:
    read = [run.contents() for run in runs]
    sides = [
        Side(label, contents.cells, run.info.fingerprint, grades_of(run))
        for label, run, contents in zip(labels, runs, read, strict=True)
    ]
    return sides, [line for contents in read for line in contents.corrupt]


def _metrics(names: Sequence[str] | None) -> list[Metric]:
    return [metric(name) for name in names or _DEFAULT_METRICS]


def _labels(paths: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Short names; the paths as given where two folders or files have the same name."""
    return list(names) if len(set(names)) == len(names) else [str(path) for path in paths]
