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
    from coinfer.cli.compare_sides import Compared
    from coinfer.stats import Row, Rules

_FAILURES = ("regression", "missing", "inconclusive")


class _Form(StrEnum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    LATEX = "latex"


class _Sort(StrEnum):
    GIVEN = "given"
    VERDICT = "verdict"
    CHANGE = "change"
    P = "p"
    METRIC = "metric"


def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="BASE NEW… (runs, or JSON of pytest-benchmark), or one RUN with --by."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Axis to compare along, within one run.")] = None,
    base: Annotated[str | None, typer.Option(help="Value of that axis to compare with.")] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Folder of runs of one suite: each against the one before it."),
    ] = None,
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
    sort: Annotated[_Sort, typer.Option(help="Order of the rows.")] = _Sort.GIVEN,
    form: Annotated[_Form, typer.Option("--format", help="Form of the output.")] = _Form.TABLE,
    html: Annotated[
        Path | None, typer.Option(help="Write it as one HTML file for a browser, too.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit with 4 on: regression,missing,inconclusive. Default: regression between "
            "runs, nothing within a run."
        ),
    ] = None,
) -> None:
    """Tell which differences are real and large enough to matter."""
    from coinfer.cli import compare_sides as sides
    from coinfer.cli.export_html import write_comparison
    from coinfer.errors import UsageError
    from coinfer.report import comparison
    from coinfer.stats import Rules

    rules = Rules(
        threshold=_fraction(threshold), threshold_share=threshold_points / 100, alpha=alpha
    )
    paths = runs or []
    failures = _failures(fail_on, within=len(paths) == 1)
    if history is not None:
        others = (by, base, html)
        if paths or any(others) or sort is not _Sort.GIVEN or only_changed:
            raise UsageError(
                "--history takes a folder of runs, and no RUN, --by, --base, --sort, --html or "
                "--only-changed"
            )
        _show_history(history, metric, rules, form, failures)
        return
    if not paths:
        raise UsageError(
            "nothing to compare; give BASE NEW…, or one RUN with --by and --base, or --history"
        )
    compared = sides.compared(paths, by, base, metric, rules)
    rows = comparison.ordered(compared.rows, sort.value)
    _show([row for row in rows if not (only_changed and row.verdict == "same")], rows, form)
    if html is not None:
        # All rows: the page has filters of its own.
        write_comparison(compared._replace(rows=rows), html)
        typer.echo(f"wrote {html}", err=True)
    _end(compared, failures)


def _end(compared: Compared, failures: set[str]) -> None:
    """Say what could not be read, and exit with what was found."""
    for line in compared.corrupt:
        typer.echo(f"error: {line}", err=True)
    if any(_fails(row, failures) for row in compared.rows):
        raise typer.Exit(4)
    unknown = any(row.verdict == "not-comparable" for row in compared.rows)
    if compared.corrupt or not compared.rows or unknown:
        raise typer.Exit(5)


def _show(rows: Sequence[Row], every: Sequence[Row], form: _Form) -> None:
    from coinfer.report import comparison

    if form is _Form.JSON:
        print_json(comparison.comparison_entries(rows))
    elif form is _Form.MARKDOWN:
        typer.echo(comparison.comparison_markdown(rows), nl=False)
    elif form is _Form.LATEX:
        typer.echo(comparison.comparison_latex(rows), nl=False)
    else:
        console = output_console()
        if rows:
            console.print(comparison.comparison_table(rows))
        console.print(comparison.summary(every), markup=False)


def _show_history(
    folder: Path, names: Sequence[str] | None, rules: Rules, form: _Form, failures: set[str]
) -> None:
    from coinfer.cli.compare_sides import Compared, over_time
    from coinfer.report import history

    series, corrupt = over_time(folder, names, rules)
    if form is _Form.JSON:
        print_json(history.history_entries(series))
    elif form is _Form.MARKDOWN:
        typer.echo(history.history_markdown(series), nl=False)
    elif form is _Form.LATEX:
        typer.echo(history.history_latex(series), nl=False)
    else:
        output_console().print(history.history_table(series))
    # What an older run did is past: the last one counts, by its step and by where it stands.
    last = [row for one in series for row in (one.steps[-1], one.overall) if row is not None]
    _end(Compared(last, corrupt), failures)


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
