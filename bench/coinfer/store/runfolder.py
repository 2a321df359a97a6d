"""A run on disk: started, continued, read.

::

    <output>/<suite>-<UTC time>/
        run.json            suite as resolved, keys of all cells
        environment.json    the machine
        timings.jsonl       wall times, apart from the results
        cells/<hash of the key>/cell.json, records.parquet, timeline.parquet
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

import coinfer
from coinfer.errors import ResultError, UsageError
from coinfer.runtime.record import Record, Span
from coinfer.store.atomic import clear_aside, is_aside, write_file, write_folder
from coinfer.store.environment import Environment
from coinfer.store.output import fresh_folder, unwritable
from coinfer.store.records import (
    decode_records,
    decode_spans,
    encode_records,
    encode_spans,
    records_table,
    sha256,
)
from coinfer.store.schema import RESULT_SCHEMA, RunInfo, StoredCell, from_json, to_json
from coinfer.suite import Cell, Suite, folder_name

if TYPE_CHECKING:
    from pyarrow import Table

RECORDS: Final = "records.parquet"
TIMELINE: Final = "timeline.parquet"
TIMINGS: Final = "timings.jsonl"


class Contents(NamedTuple):
    """All that a run folder holds.

    Attributes
    ----------
    cells : tuple of StoredCell
        In the order of the run.
    corrupt : tuple of str
        One line for each result that cannot be read, with its path.
    missing : tuple of str
        Keys of cells that belong to the run and were not done yet.
    """

    cells: tuple[StoredCell, ...]
    corrupt: tuple[str, ...]
    missing: tuple[str, ...]


class RunFolder:
    """One run.

    Parameters
    ----------
    path : Path
        Folder that holds a ``run.json``.

    Raises
    ------
    ResultError
        If it is damaged or of a newer schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info = from_json(path / "run.json", RunInfo)

    @classmethod
    def create(
        cls, output: Path, suite: Suite, cells: Sequence[Cell], environment: Environment
    ) -> RunFolder:
        """Start a new run below `output`; `suite` is resolved.

        Raises
        ------
        UsageError
            If the folder cannot be written.
        """
        now = datetime.now(UTC)
        stem = f"{suite.name}-{now:%Y%m%dT%H%M%SZ}"
        info = RunInfo(
            schema=RESULT_SCHEMA,
            coinfer=coinfer.__version__,
            started=now.isoformat(timespec="milliseconds"),
            suite=msgspec.structs.replace(suite, origin="run.json"),
            suite_sha256=suite_sha256(suite),
            fingerprint=environment.fingerprint,
            cells=tuple(c.key for c in cells),
        )
        try:
            path = fresh_folder(output, stem)
            (path / "cells").mkdir()
            write_file(path / "environment.json", to_json(environment))
            write_file(path / "run.json", to_json(info))
        except OSError as error:
            raise unwritable(output, error) from None
        return cls(path)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run against a second writer, and clear what a killed one left half-written.

        Raises
        ------
        UsageError
            If another process is writing it, or it cannot be written.
        """
        try:
            lock = os.open(self.path / "run.json", os.O_RDWR)
        except OSError as error:
            raise unwritable(self.path, error) from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(
                    f"{self.path}: another coinfer process is writing this run; wait for it, or "
                    "use --force to start a new one"
                ) from None
            clear_aside(self.path)
            clear_aside(self.path / "cells")
            yield
        finally:
            os.close(lock)

    def write(
        self, stored: StoredCell, records: Sequence[Record] | None, spans: Sequence[Span] = ()
    ) -> StoredCell:
        """Put a cell in place in one step; returns it with the digests of its other files."""
        files = {}
        if records is not None:
            files[RECORDS] = encode_records(records)
            stored = msgspec.structs.replace(stored, records_sha256=sha256(files[RECORDS]))
        if spans:
            files[TIMELINE] = encode_spans(spans)
            stored = msgspec.structs.replace(stored, timeline_sha256=sha256(files[TIMELINE]))
        files["cell.json"] = to_json(stored)
        write_folder(self.path / "cells" / stored.cell.folder, files)
        return stored

    def amend(self, stored: StoredCell) -> StoredCell:
        """Put a cell in place once more, with what was added to it; its other files stay."""
        files = {"cell.json": to_json(stored)}
        for name, digest in ((RECORDS, stored.records_sha256), (TIMELINE, stored.timeline_sha256)):
            if digest is not None:
                files[name] = self._bytes(stored, name, digest)
        write_folder(self.path / "cells" / stored.cell.folder, files)
        return stored

    def read(self, folder: str) -> StoredCell:
        """One cell, checked against the digests of its other files.

        Raises
        ------
        ResultError
            If it is damaged or of a newer schema.
        """
        path = self.path / "cells" / folder
        stored = from_json(path / "cell.json", StoredCell)
        if stored.cell.folder != folder:
            raise ResultError(f"{path}: corrupt: holds the cell {stored.cell.key}")
        for name, digest in ((RECORDS, stored.records_sha256), (TIMELINE, stored.timeline_sha256)):
            if digest is not None:
                self._bytes(stored, name, digest)
        return stored

    def records(self, stored: StoredCell) -> tuple[Record, ...]:
        """Read the records of a cell; none where it failed."""
        digest = stored.records_sha256
        return () if digest is None else decode_records(self._bytes(stored, RECORDS, digest))

    def table(self, stored: StoredCell) -> Table:
        """Records of a cell as an Arrow table, a column a field; without rows where it failed."""
        digest = stored.records_sha256
        data = encode_records(()) if digest is None else self._bytes(stored, RECORDS, digest)
        return records_table(data)

    def timeline(self, stored: StoredCell) -> tuple[Span, ...]:
        """Read the timeline of a cell; none where none was asked for."""
        digest = stored.timeline_sha256
        return () if digest is None else decode_spans(self._bytes(stored, TIMELINE, digest))

    def contents(self) -> Contents:
        """Everything that can be read, and one line for everything that cannot."""
        cells, corrupt, broken = {}, [], set()
        for path in sorted((self.path / "cells").glob("*")):
            if is_aside(path):
                continue
            try:
                stored = self.read(path.name)
                cells[stored.cell.key] = stored
            except ResultError as error:
                corrupt.append(str(error))
                broken.add(path.name)
        order = {key: number for number, key in enumerate(self.info.cells)}
        ordered = sorted(cells.values(), key=lambda s: order.get(s.cell.key, len(order)))
        done = broken | {stored.cell.folder for stored in ordered}
        missing = [key for key in self.info.cells if folder_name(key) not in done]
        return Contents(tuple(ordered), tuple(corrupt), tuple(missing))

    def environment(self) -> Environment:
        """Read which machine the run was started on.

        Raises
        ------
        ResultError
            If the file is damaged.
        """
        path = self.path / "environment.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Environment)
        except (OSError, msgspec.MsgspecError) as error:
            raise ResultError(f"{path}: corrupt: {error}") from None

    def note_timing(
        self,
        key: str,
        seconds: float,
        status: str,
        prepared_s: float = 0.0,
        machine: str | None = None,
    ) -> None:
        """Keep what a cell took, and where; apart from the result, which repeats to the byte.

        Parameters
        ----------
        key : str
        seconds : float
            In all.
        status : str
        prepared_s : float
            Of these, until it could run.
        machine : str, optional
            Where it ran, if that was another than this.
        """
        line: dict[str, Any] = {
            "cell": key,
            "seconds": round(seconds, 6),
            "prepared_s": round(prepared_s, 6),
            "status": status,
            "at": datetime.now(UTC).isoformat(),
        }
        if machine is not None:
            line["machine"] = machine
        with (self.path / TIMINGS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _bytes(self, stored: StoredCell, name: str, digest: str) -> bytes:
        path = self.path / "cells" / stored.cell.folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ResultError(f"{path}: cannot be read: {error.strerror}") from None
        if sha256(data) != digest:
            raise ResultError(f"{path}: corrupt: its digest is not the one in cell.json")
        return data


def suite_sha256(suite: Suite) -> str:
    """Digest of what a resolved suite says, wherever its file lies."""
    said = msgspec.structs.replace(suite, origin="")
    return hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()
