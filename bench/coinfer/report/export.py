"""Runs as flat tables for other programs: a row a cell, and a row a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from coinfer.errors import UsageError
from coinfer.metrics import FIGURES
from coinfer.report.entries import entry
from coinfer.store import Contents, RunFolder, StoredCell
from coinfer.suite import AXES
from coinfer.suite.schema import Value

if TYPE_CHECKING:
    import pyarrow as pa

Runs: TypeAlias = Sequence[tuple[RunFolder, Contents]]

_FLATTENED: Final = ("critical_path_ms", "fidelity", "emulation")
"""Figures with parts of their own; a part is a column. Other nested ones are JSON."""

_TEXT: Final = ("error", "rapl_scope", "trace_sha256")
"""Columns that are text also where no cell has one."""


def cells_table(runs: Runs) -> pa.Table:
    """One row a cell: its run, coordinates, status and figures.

    Parts of ``critical_path_ms``, ``fidelity`` and ``emulation`` are columns, as
    ``critical_path_ms_link``; lists and other nested figures are JSON text. What a cell does not
    have is null.
    """
    import pyarrow as pa

    rows = [_flat(run, stored) for run, contents in runs for stored in contents.cells]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: _column(name, values) for name, values in columns.items()})


def records_table(runs: Runs) -> pa.Table:
    """One row a request: its run and cell, their coordinates, and the record.

    Times are integers of nanoseconds; a request without an answer has none.
    """
    import pyarrow as pa

    tables = [
        _located(run, stored, run.table(stored))
        for run, contents in runs
        for stored in contents.cells
    ]
    if not tables:
        return pa.table({"run": pa.array([], pa.string())})
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def write_csv(runs: Runs, folder: Path) -> list[Path]:
    """Write ``cells.csv`` and ``records.csv`` into a folder.

    Raises
    ------
    UsageError
        If they cannot be written.
    """
    from pyarrow import csv

    return _write(runs, folder, "csv", lambda table, path: csv.write_csv(_decoded(table), path))


def write_parquet(runs: Runs, folder: Path) -> list[Path]:
    """Write ``cells.parquet`` and ``records.parquet`` into a folder.

    Raises
    ------
    UsageError
        If they cannot be written.
    """
    import pyarrow.parquet as pq

    return _write(
        *(runs, folder, "parquet"),
        lambda table, path: pq.write_table(table, path, compression="zstd"),
    )


def _write(
    runs: Runs, folder: Path, ending: str, write: Callable[[pa.Table, Path], None]
) -> list[Path]:
    paths = [folder / f"{name}.{ending}" for name in ("cells", "records")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, table in zip(paths, (cells_table(runs), records_table(runs)), strict=True):
            write(table, path)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return paths


def _flat(run: RunFolder, stored: StoredCell) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run.path.name}
    for name, value in (entry(stored) | {n: stored.figures.get(n) for n in FIGURES}).items():
        if name not in _FLATTENED:
            nested = isinstance(value, dict | list)
            row[name] = json.dumps(value, ensure_ascii=False) if nested else value
        elif isinstance(value, Mapping):
            row |= {f"{name}_{part}": one for part, one in value.items()}
    return row


def _column(name: str, values: Iterable[Any]) -> pa.Array:
    import pyarrow as pa

    found = list(values)
    kinds = {type(value) for value in found if value is not None}
    if not kinds:
        return pa.array(found, pa.string() if name in _TEXT else pa.float64())
    if kinds == {int, float}:
        return pa.array([None if v is None else float(v) for v in found], pa.float64())
    return pa.array(found)


def _located(run: RunFolder, stored: StoredCell, table: pa.Table) -> pa.Table:
    """Put before each record which cell it is of; texts as dictionaries, which cost nothing."""
    import pyarrow as pa

    where: dict[str, Value] = {"run": run.path.name, "cell": stored.cell.key}
    where |= {axis: stored.cell.coordinates[axis] for axis in AXES}
    columns = {name: pa.repeat(pa.scalar(value), table.num_rows) for name, value in where.items()}
    columns |= dict(zip(table.column_names, table.columns, strict=True))
    texts = {*where, "status"}
    return pa.table(
        {
            name: column.dictionary_encode()
            if name in texts and pa.types.is_string(column.type)
            else column
            for name, column in columns.items()
        }
    )


def _decoded(table: pa.Table) -> pa.Table:
    """Undo dictionaries, which CSV has no use for."""
    import pyarrow as pa

    for number, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(number).cast(field.type.value_type)
            table = table.set_column(number, field.name, plain)
    return table
