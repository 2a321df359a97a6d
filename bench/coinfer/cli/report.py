"""``coinfer report``: show a run, to people or to programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coinfer.cli.console import RUNS, Format, output_console, print_json

if TYPE_CHECKING:
    from coinfer.store import Contents


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folder, the folder given to -o (then its newest run), or JSON of "
            "pytest-benchmark."
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the report to this file, for a browser; needs no network."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Axis whose values part the table into sections.")
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="Figure that rows stand by, the best first.")
    ] = None,
    export_trace: Annotated[
        Path | None,
        typer.Option(help="Write timelines of cells to this file, for Perfetto or Chrome."),
    ] = None,
    export_csv: Annotated[
        Path | None, typer.Option(help="Write cells.csv and records.csv into this folder.")
    ] = None,
    export_parquet: Annotated[
        Path | None, typer.Option(help="Write cells.parquet and records.parquet into this folder.")
    ] = None,
    export_markdown: Annotated[
        Path | None, typer.Option(help="Write the table of figures to this file, as Markdown.")
    ] = None,
    export_latex: Annotated[
        Path | None, typer.Option(help="Write the table of figures to this file, for booktabs.")
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(help="Cells of the trace, by AXIS=VALUE,…; the first of each method."),
    ] = None,
    requests: Annotated[
        str | None, typer.Option(help="Requests of the trace: 3, 0..9 or 0..4,100.")
    ] = None,
) -> None:
    """Show what a run found, or what the kernels' benchmarks measured."""
    from coinfer.cli.exports import Exports
    from coinfer.cli.exports import export as export_tables
    from coinfer.errors import ResultError, UsageError
    from coinfer.metrics import metric
    from coinfer.report import entry, show_run
    from coinfer.store import is_benchmark_file, resolve_run

    files = [path for path in runs or () if is_benchmark_file(path)]
    if export_trace is not None:
        from coinfer.cli.export_trace import export

        if files or len(runs or ()) > 1:
            raise UsageError("--export-trace: takes one run; give its folder alone")
        export(resolve_run(runs[0] if runs else RUNS), export_trace, cell or (), requests)
        return
    if cell or requests:
        raise UsageError("--cell and --requests are for --export-trace; give that, too")
    exports = Exports(export_csv, export_parquet, export_markdown, export_latex, html)
    if files:
        if any(exports):
            raise UsageError(f"{files[0]}: holds benchmarks; only runs can be exported")
        _benchmarks(runs or (), files, form)
        return
    folders = [resolve_run(path) for path in runs or [RUNS]]
    read = [(folder, folder.contents()) for folder in folders]
    corrupt = [line for _, contents in read for line in contents.corrupt]
    if any(exports):
        export_tables(read, exports)
    elif form is Format.JSON:
        print_json([entry(stored) for _, contents in read for stored in contents.cells])
    else:
        order = metric(sort, "--sort") if sort else None
        for folder, contents in read:
            _check_by(by, contents)
            show_run(output_console(), folder, contents, by=by, sort=order)
    if any(exports) or form is Format.JSON:  # the table names them itself
        for line in corrupt:
            typer.echo(f"error: {line}", err=True)
    if corrupt:
        raise typer.Exit(ResultError.exit_code)


def _check_by(by: str | None, contents: Contents) -> None:
    from coinfer.errors import UsageError
    from coinfer.report.settings import varying_axes

    allowed = varying_axes(contents.cells)
    if by is not None and by not in allowed:
        raise UsageError(f"--by {by}: no axis in which rows differ; allowed: {', '.join(allowed)}")


def _benchmarks(paths: Sequence[Path], files: Sequence[Path], form: Format) -> None:
    from coinfer.errors import UsageError
    from coinfer.report import show_benchmarks
    from coinfer.store import read_benchmarks

    if len(files) < len(paths):
        raise UsageError(f"{files[0]}: holds benchmarks, the others are runs; give one kind")
    if form is Format.JSON:
        raise UsageError(f"{files[0]}: is JSON already")
    for path in files:
        show_benchmarks(output_console(), read_benchmarks(path))
