"""``coinfer compare``: runs against a base, or methods against each other within a run.

Files of pytest-benchmark (``make bench-kernels``) stand in for runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coinfer.cli.console import output_console, print_json

if TYPE_CHECKING:
    from coinfer.metrics import Metric
    from coinfer.stats import Row, Rules
    from coinfer.store import Contents, RunFolder

_DEFAULT_METRICS = ("accuracy", "latency_p50_ms", "macs_per_request", "bytes_up_per_request")
_DEFAULT_BENCHMARK_METRICS = ("time_ns",)
_FAILURES = ("regression", "missing", "inconclusive")


class _Form(StrEnum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="BASE NEW… (runs, or JSON of pytest-benchmark), or one RUN with --by."),
    ],
    by: Annotated[str | None, typer.Option(help="Axis to compare along, within one run.")] = None,
    base: Annotated[str | None, typer.Option(help="Value of that axis to compare with.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Figure to compare; repeat it.")] = None,
    threshold: Annotated[
        str, typer.Option(help="Change that matters, of amounts: 2% or 0.02.")
    ] = "2%",
    threshold_points: Annotated[
        float, typer.Option(min=0, help="Change that matters, of shares, in points.")
    ] = 0.5,
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Accepted rate of false alarms.")
    ] = 0.05,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Leave out rows whose verdict is 'same'.")
    ] = False,
    form: Annotated[_Form, typer.Option("--format", help="Form of the output.")] = _Form.TABLE,
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit with 4 on: regression,missing,inconclusive. Default: regression between "
            "runs, nothing within a run."
        ),
    ] = None,
) -> None:
    """Tell which differences are real and large enough to matter."""
    from coinfer.stats import Rules
    from coinfer.store import is_benchmark_file

    rules = Rules(
        threshold=_fraction(threshold), threshold_share=threshold_points / 100, alpha=alpha
    )
    failures = _failures(fail_on, within=len(runs) == 1)
    rows: Sequence[Row]
    corrupt: Sequence[str] = ()
    if any(is_benchmark_file(path) for path in runs):
        rows = _benchmarks(runs, by or base, metric, rules)
    elif len(runs) == 1:
        rows, corrupt = _within(runs[0], by, base, metric, rules)
    else:
        rows, corrupt = _between(runs, by, base, metric, rules)
    _show(rows, form, only_changed)
    for line in corrupt:
        typer.echo(f"error: {line}", err=True)
    if any(_fails(row, failures) for row in rows):
        raise typer.Exit(4)
    if corrupt or not rows or any(row.verdict == "not-comparable" for row in rows):
        raise typer.Exit(5)


def _benchmarks(
    paths: Sequence[Path], axis: str | None, names: Sequence[str] | None, rules: Rules
) -> Sequence[Row]:
    from coinfer.errors import UsageError
    from coinfer.metrics import BENCHMARK_METRICS, metric
    from coinfer.stats import between_benchmarks
    from coinfer.store import is_benchmark_file, read_benchmarks

    runs = [path for path in paths if not is_benchmark_file(path)]
    if runs:
        raise UsageError(f"{runs[0]}: is a run, the others are benchmarks; give one kind")
    if len(paths) < 2 or axis is not None:
        raise UsageError(
            "benchmarks are compared between files: coinfer compare BASE.json NEW.json, without "
            "--by and --base"
        )
    wanted = names or _DEFAULT_BENCHMARK_METRICS
    metrics = [metric(name, among=BENCHMARK_METRICS) for name in wanted]
    first, *others = [read_benchmarks(path) for path in paths]
    rows: list[Row] = []
    for path, new in zip(paths[1:], others, strict=True):
        rows += between_benchmarks(first, new, metrics, rules, labels=_labels(paths[0], path))
    return rows


def _within(
    path: Path,
    by: str | None,
    base: str | None,
    names: Sequence[str] | None,
    rules: Rules,
) -> tuple[Sequence[Row], Sequence[str]]:
    from coinfer.errors import UsageError
    from coinfer.stats import within_run
    from coinfer.store import resolve_run
    from coinfer.suite import AXES, SEED_AXES

    metrics = _metrics(names)
    by = by or "method"
    axes = [axis for axis in AXES if axis not in SEED_AXES]
    if by not in axes:
        raise UsageError(f"--by {by}: no axis to compare along; allowed: {', '.join(axes)}")
    contents = resolve_run(path).contents()
    values = list(dict.fromkeys(str(s.cell.coordinates[by]) for s in contents.cells))
    if base not in values:
        said = "--base is missing" if base is None else f"--base {base}: not in this run"
        raise UsageError(
            f"{said}; allowed: {', '.join(values)} (or give two runs: coinfer compare BASE NEW)"
        )
    return within_run(contents.cells, metrics, rules, base=base, by=by), contents.corrupt


def _between(
    paths: Sequence[Path],
    by: str | None,
    base: str | None,
    names: Sequence[str] | None,
    rules: Rules,
) -> tuple[Sequence[Row], Sequence[str]]:
    from coinfer.errors import UsageError
    from coinfer.stats import between_runs
    from coinfer.store import resolve_run

    if by is not None or base is not None:
        raise UsageError("--by and --base compare within one run; give one run, or leave them out")
    metrics = _metrics(names)
    first, *others = [resolve_run(path) for path in paths]
    read: list[tuple[RunFolder, Contents]] = [(run, run.contents()) for run in (first, *others)]
    rows: list[Row] = []
    for number, (run, contents) in enumerate(read[1:], start=1):
        rows += between_runs(
            read[0][1].cells,
            contents.cells,
            metrics,
            rules,
            labels=_labels(first.path, run.path, paths[0], paths[number]),
            same_machine=run.info.fingerprint == first.info.fingerprint,
        )
    return rows, [line for _, contents in read for line in contents.corrupt]


def _metrics(names: Sequence[str] | None) -> list[Metric]:
    from coinfer.metrics import metric

    return [metric(name) for name in names or _DEFAULT_METRICS]


def _labels(
    base: Path, new: Path, base_given: Path | None = None, new_given: Path | None = None
) -> tuple[str, str]:
    """Short names; the paths as given where two folders or files have the same name."""
    if base.name != new.name:
        return base.name, new.name
    return str(base_given or base), str(new_given or new)


def _show(every: Sequence[Row], form: _Form, only_changed: bool) -> None:
    rows = [row for row in every if not (only_changed and row.verdict == "same")]
    if form is _Form.JSON:
        import msgspec

        print_json([msgspec.to_builtins(row) for row in rows])
        return
    from coinfer.report.comparison import comparison_markdown, comparison_table, summary

    if form is _Form.MARKDOWN:
        typer.echo(comparison_markdown(rows), nl=False)
        return
    console = output_console()
    if rows:
        console.print(comparison_table(rows))
    console.print(summary(every), markup=False)


def _fraction(text: str) -> float:
    from coinfer.errors import UsageError

    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise UsageError(f"--threshold {text}: not allowed; write 2% or 0.02, from 0 to below 1")
    return value


def _failures(text: str | None, within: bool) -> set[str]:
    from coinfer.errors import UsageError

    if text is None:
        return set() if within else {"regression"}
    names = {name.strip() for name in text.split(",") if name.strip()}
    unknown = sorted(names - {*_FAILURES})
    if unknown:
        raise UsageError(f"--fail-on {unknown[0]}: not allowed; use {', '.join(_FAILURES)}")
    return names


def _fails(row: Row, failures: set[str]) -> bool:
    return (row.regression and "regression" in failures) or row.verdict in failures
