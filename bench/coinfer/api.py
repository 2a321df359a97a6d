"""Runs in Python and in notebooks: `coinfer.load` and `coinfer.run`.

Data frames are those of pandas, which is imported when the first one is asked for
(``pip install 'coinfer[frames]'``).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from coinfer.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from coinfer.stats import Row, Rules, Side
    from coinfer.store import Contents, RunFolder
    from coinfer.suite.schema import Value

_METRICS = ("accuracy", "latency_p50_ms", "macs_per_request", "bytes_up_per_request")


class Run:
    """One run, as data frames that are read when they are asked for.

    Parameters
    ----------
    folder : RunFolder

    Examples
    --------
    >>> import coinfer
    >>> run = coinfer.load("reference/quickstart")
    >>> run.question
    'Who still answers well when a device dies?'
    >>> len(run.cells), len(run.records), run.failed
    (72, 36000, {})
    >>> crashed = run.cells[run.cells["faults"] == "one-crash"]
    >>> crashed.groupby("method")["accuracy"].mean().idxmax()
    'rocoin'
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        done, total = len(self._contents.cells), len(self._folder.info.cells)
        return f"<run {self.path}: {done} of {total} cells>"

    @property
    def path(self) -> Path:
        """Folder of the run."""
        return self._folder.path

    @property
    def question(self) -> str:
        """What the suite asks."""
        return self._folder.info.suite.question

    @property
    def failed(self) -> dict[str, str]:
        """Errors of the cells that failed, by their keys."""
        return {s.cell.key: str(s.error) for s in self._contents.cells if s.status == "failed"}

    @property
    def corrupt(self) -> tuple[str, ...]:
        """One line for each result that cannot be read."""
        return self._contents.corrupt

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell: coordinates, status and figures; the columns of ``--export-csv``."""
        from coinfer.report.export import cells_table

        return _frame(cells_table([(self._folder, self._contents)]))

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a request: its cell's coordinates, and the fields of `coinfer.store.Record`."""
        from coinfer.report.export import records_table

        return _frame(records_table([(self._folder, self._contents)]))

    def compare(
        self,
        base: Value,
        *,
        by: str = "method",
        metrics: Sequence[str] = _METRICS,
        rules: Rules | None = None,
    ) -> pd.DataFrame:
        """Hold every value of an axis against `base`, as ``coinfer compare --by`` does.

        Parameters
        ----------
        base : value
            Of the axis `by`.
        by : str
        metrics : sequence of str
        rules : coinfer.stats.Rules, optional

        Returns
        -------
        DataFrame
            One row a comparison: metric, coordinates, both sides, verdict, sizes, and a sentence.

        Examples
        --------
        >>> import coinfer
        >>> run = coinfer.load("reference/quickstart")
        >>> rows = run.compare("nonn", metrics=["latency_p50_ms"])
        >>> int((rows["verdict"] == "slower").sum()) > 0
        True
        """
        from coinfer.metrics import metric
        from coinfer.stats import Rules, grades_of, within_run

        rows = within_run(
            *(
                self._contents.cells,
                [metric(name, "metrics") for name in metrics],
                rules or Rules(),
            ),
            base=base,
            by=by,
            grades=grades_of(self._folder),
        )
        return _rows_frame(rows)

    def against(
        self,
        base: Run,
        *,
        metrics: Sequence[str] = _METRICS,
        rules: Rules | None = None,
    ) -> pd.DataFrame:
        """Hold this run against an older one, as ``coinfer compare BASE NEW`` does.

        Parameters
        ----------
        base : Run
        metrics : sequence of str
        rules : coinfer.stats.Rules, optional

        Returns
        -------
        DataFrame
            As of `compare`.

        Examples
        --------
        >>> import coinfer
        >>> run = coinfer.load("reference/quickstart")
        >>> set(run.against(run)["verdict"])
        {'same'}
        """
        from coinfer.metrics import metric
        from coinfer.stats import Rules, between_runs

        named = [metric(name, "metrics") for name in metrics]
        return _rows_frame(between_runs(base._side(), [self._side()], named, rules or Rules()))

    def _side(self) -> Side:
        from coinfer.stats import Side, grades_of

        info = self._folder.info
        grades = grades_of(self._folder)
        return Side(self.path.name, self._contents.cells, info.fingerprint, grades)

    @cached_property
    def _contents(self) -> Contents:
        return self._folder.contents()


def load(run: str | Path) -> Run:
    """Open a run.

    Parameters
    ----------
    run : str or Path
        Folder of a run, or the one given to ``coinfer run -o``: then its newest run. The
        reference run that comes with the package is ``reference/quickstart``.

    Raises
    ------
    UsageError
        If there is none.
    ResultError
        If it is damaged, or was written by a newer version.
    """
    from coinfer.store import resolve_run

    return Run(resolve_run(Path(run)))


def run(
    suite: str | Path,
    *,
    axes: Mapping[str, Value | Sequence[Value]] | None = None,
    output: str | Path = "results/runs",
    force: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    timeout_s: float | None = None,
    progress: bool = True,
) -> Run:
    """Run a suite, or what is left of it, as ``coinfer run`` does.

    Cells run in processes of their own; so a script has to call this under
    ``if __name__ == "__main__":``, as `multiprocessing` always asks for. A notebook need not.

    Parameters
    ----------
    suite : str or Path
        Name of a shipped suite, or a TOML file.
    axes : mapping of axis to value or values, optional
        Instead of the suite's, as ``{"method": ["nonn", "rocoin"], "run_seed": range(3)}``.
    output : str or Path
        Folder that gets one folder a run.
    force : bool
        Start anew instead of going on with the newest run of the same suite.
    workers : int
        Virtual cells, and trainings, at a time; one alone trains in this process.
    scheduler : str, optional
        Of Dask, as ``tcp://host:8786``: its workers run the cells, whatever `workers` is.
    timeout_s : float, optional
        A cell that takes longer has failed.
    progress : bool
        Show on standard error how it goes.

    Returns
    -------
    Run
        Also where cells failed: they are in its `failed`.

    Raises
    ------
    UsageError
        If the suite or an axis is wrong; nothing was written.
    """
    from coinfer.cli import engine
    from coinfer.cli.choose import cells_of
    from coinfer.cli.console import progress_console
    from coinfer.cli.perform import perform
    from coinfer.cli.session import todo
    from coinfer.store import RunFolder, find_same
    from coinfer.store.output import check_writable

    chosen = {name: _values(given) for name, given in (axes or {}).items()}
    resolved, cells = cells_of(str(suite), chosen)
    folder = Path(output)
    check_writable(folder)
    engine.check(cells, resolved.origin)
    console = progress_console()
    with engine.executor(
        cells, workers=workers, scheduler=scheduler, say=partial(console.print, markup=False)
    ) as executor:
        environment = executor.environment
        found = None if force else find_same(folder, resolved, environment)
        found = found or RunFolder.create(folder, resolved, cells, environment)
        what = partial(todo, cells=cells, inputs_hash=engine.inputs_hash)
        perform(found, cells, what, executor, timeout_s, quiet=not progress)
    return Run(found)


def _values(given: Value | Sequence[Value]) -> tuple[Value, ...]:
    return (given,) if isinstance(given, str | int | float) else tuple(given)


def _rows_frame(rows: Sequence[Row]) -> pd.DataFrame:
    from coinfer.report.comparison import comparison_entries

    flat = [
        {"metric": entry["metric"], **entry.pop("where"), **entry}
        for entry in comparison_entries(rows)
    ]
    return _pandas().DataFrame(flat)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Data frame that keeps integers where values are missing: nanoseconds do not fit a float."""
    import pyarrow as pa

    pandas = _pandas()
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pandas.Int64Dtype()}.get)
    return frame


def _pandas() -> ModuleType:
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError:
        raise UsageError(
            "data frames need pandas, which is not installed; run: pip install 'coinfer[frames]'"
        ) from None
