"""Runs of older schemas are read as if this version had written them; newer ones are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from coinfer.errors import ResultError
from coinfer.store import RESULT_SCHEMA, RunFolder
from coinfer.store.schema import RunInfo, from_json
from coinfer.store.upgrade import upgraded

FIXTURES = Path(__file__).parent / "fixtures"
OLD = FIXTURES / "schema-1"


def test_there_is_a_fixture_of_every_older_schema():
    assert [p.name for p in sorted(FIXTURES.iterdir())] == [
        f"schema-{number}" for number in range(1, RESULT_SCHEMA)
    ]


def test_a_run_of_schema_1_is_upgraded_as_it_is_read():
    """The cell was written by the first version that committed a run, and is that run's file."""
    said = json.loads(next(OLD.glob("cells/*/cell.json")).read_text())
    assert said["schema"] == 1
    assert "faults_landed" not in said["figures"]
    (told,) = said["notes"]["faults"]
    assert "observed" not in told

    run = RunFolder(OLD)
    contents = run.contents()
    assert contents.corrupt == contents.missing == ()
    (stored,) = contents.cells
    assert stored.schema == run.info.schema == RESULT_SCHEMA
    (fault,) = stored.notes["faults"]
    assert fault == told | {"number": 0, "observed": {}, "planned": None, "recovered_ns": None}
    assert stored.figures["faults_injected"] == stored.figures["faults_landed"] == 1
    assert stored.figures["accuracy"] == said["figures"]["accuracy"]
    # Its records had no warm-up yet: all of them count.
    assert set(run.table(stored).column("warm_up").to_pylist()) == {False}
    assert len(run.records(stored)) == stored.figures["requests"]


def test_an_upgrade_leaves_what_a_cell_knows_already():
    faults = [{"number": 7, "injected_ns": None, "landed": False, "observed": {"lost": 2}}]
    figures = {"faults_landed": 0, "faults_injected": 5}
    old = {"schema": 1, "notes": {"faults": faults}, "figures": figures}
    new = upgraded(old)
    assert new["schema"] == RESULT_SCHEMA
    assert new["figures"] == figures
    assert new["notes"]["faults"][0] == faults[0] | {"planned": None, "recovered_ns": None}
    assert old["schema"] == 1  # what was read is left alone


@pytest.mark.parametrize(
    ("schema", "expected"),
    [(RESULT_SCHEMA + 1, "is newer than this coinfer reads .*; upgrade coinfer"), (0, "corrupt")],
)
def test_schemas_that_are_not_known_are_refused_in_one_line(tmp_path, schema, expected):
    shutil.copytree(OLD, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": schema}))
    with pytest.raises(ResultError, match=expected) as caught:
        from_json(path, RunInfo)
    assert "\n" not in str(caught.value)


def test_damage_in_an_old_run_is_damage(tmp_path):
    shutil.copytree(OLD, tmp_path / "run")
    path = next((tmp_path / "run").glob("cells/*/cell.json"))
    cell = json.loads(path.read_text())
    for faults in ([{"kind": "crash"}], [3], 3):
        path.write_text(json.dumps(cell | {"notes": {"faults": faults}}))
        (line,) = RunFolder(tmp_path / "run").contents().corrupt
        assert "corrupt" in line
