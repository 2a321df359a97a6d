"""Runs to report: the committed one, and others made from its cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coinfer.report.html import Shown, page
from coinfer.report.html.material import Material
from coinfer.store import RunFolder, StoredCell

REFERENCE = Path(__file__).parents[4] / "results/reference/quickstart"

Change = Callable[[StoredCell], StoredCell | None]


def move(stored: StoredCell, **at: Any) -> StoredCell:
    """The same cell at other coordinates."""
    cell = stored.cell
    coordinates = cell.coordinates | at
    key = ",".join(f"{axis}={value}" for axis, value in coordinates.items())
    fields = {("faults_name" if axis == "faults" else axis): value for axis, value in at.items()}
    return msgspec.structs.replace(
        stored, cell=msgspec.structs.replace(cell, key=key, coordinates=coordinates, **fields)
    )


@pytest.fixture(scope="session")
def reference() -> RunFolder:
    return RunFolder(REFERENCE)


@pytest.fixture(scope="session")
def material(reference: RunFolder) -> Material:
    return Material([Shown("", reference, reference.contents())])


@pytest.fixture
def made(reference: RunFolder, tmp_path: Path) -> Callable[..., RunFolder]:
    """Make a run from changed cells of the committed one; a change gives None to drop a cell."""

    def make(*changes: Change, path: Path = tmp_path) -> RunFolder:
        cells = [
            (new, reference.records(old) if new.status == "done" else None)
            for old in reference.contents().cells
            for change in changes
            if (new := change(old)) is not None
        ]
        run = RunFolder.create(
            path, reference.info.suite, [c.cell for c, _ in cells], reference.environment()
        )
        for stored, records in cells:
            run.write(msgspec.structs.replace(stored, records_sha256=None), records)
        return run

    return make


@pytest.fixture
def shown() -> Callable[..., str]:
    """The page of some runs."""

    def show(*runs: RunFolder) -> str:
        names = [run.path.name if len(runs) > 1 else "" for run in runs]
        return page([Shown(n, run, run.contents()) for n, run in zip(names, runs, strict=True)])

    return show


@pytest.fixture(scope="session")
def moved() -> Callable[..., StoredCell]:
    """Give a cell other coordinates."""
    return move
