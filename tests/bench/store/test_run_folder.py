"""A run on disk: whole cells only, the same bytes for the same result, damage named."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from coinfer.errors import ResultError, UsageError
from coinfer.runtime.record import Record
from coinfer.store import RESULT_SCHEMA, Environment, RunFolder, StoredCell, find_same, resolve_run
from coinfer.store.output import check_writable
from coinfer.store.records import decode_records, encode_records
from coinfer.suite import expand, resolve
from coinfer.suite.load import read_suite


class NoParameters(msgspec.Struct):
    pass


SUITE = resolve(
    read_suite(
        """
schema = 1
name = "mine"
question = "?"
[axes]
method = ["nonn", "rocoin"]
run_seed = [0, 1]
""",
        "mine.toml",
    )
)
CELLS = expand(SUITE, {"nonn": NoParameters, "rocoin": NoParameters})
HERE = Environment(identity={"cpu": "test", "torch": "2"}, readings={"load_1min": 0.5})


def record(request: int, **changes: object) -> Record:
    numbers = dict.fromkeys(Record.__struct_fields__, 7) | {"warm_up": True}
    fields = {**numbers, "request": request, "status": "ok", "first_answer_ns": None, **changes}
    return msgspec.convert(fields, Record)


def stored(cell, **changes: object) -> StoredCell:
    start = StoredCell(
        schema=RESULT_SCHEMA, cell=cell, inputs_hash="h", status="done", figures={"x": 1.5}
    )
    return msgspec.structs.replace(start, **changes)


RECORDS = tuple(record(i, answered_ns=None if i == 3 else i * 2**40) for i in range(10))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "out", SUITE, CELLS, HERE)


def test_what_is_written_is_read(run):
    written = run.write(stored(CELLS[0], notes={"groups": [["d0", "d1"]]}), RECORDS)
    again = RunFolder(run.path)
    assert again.info.suite == msgspec.structs.replace(SUITE, origin="run.json")
    assert again.environment() == HERE
    contents = again.contents()
    assert contents.cells == (written,)
    assert contents.missing == tuple(c.key for c in CELLS[1:])
    assert again.records(written) == RECORDS


def test_records_survive_and_their_bytes_are_those_of_their_values():
    assert decode_records(encode_records(RECORDS)) == RECORDS
    assert encode_records(RECORDS) == encode_records(decode_records(encode_records(RECORDS)))


def test_records_open_in_pandas_style_readers_with_typed_columns():
    from io import BytesIO

    import pyarrow.parquet as pq

    table = pq.read_table(BytesIO(encode_records(RECORDS)))
    assert table.column_names == list(Record.__struct_fields__)
    assert str(table.schema.field("status").type) == "string"
    assert table["answered_ns"].null_count == 1


def test_equal_results_give_equal_bytes_whatever_the_run(run, tmp_path):
    other = RunFolder.create(tmp_path / "elsewhere", SUITE, CELLS, HERE)
    for folder in (run, other):
        folder.write(stored(CELLS[0], notes={"b": 1, "a": 2}), RECORDS)
        folder.note_timing(CELLS[0].key, 1.0, "done")
    for name in ("cell.json", "records.parquet"):
        path = Path("cells") / CELLS[0].folder / name
        assert (run.path / path).read_bytes() == (other.path / path).read_bytes()


def test_a_cell_that_is_done_again_replaces_the_old_one(run):
    run.write(stored(CELLS[0], status="failed", error="died"), None)
    run.write(stored(CELLS[0]), RECORDS)
    assert [s.status for s in run.contents().cells] == ["done"]
    assert sorted(p.name for p in (run.path / "cells").iterdir()) == [CELLS[0].folder]


def test_half_written_cells_are_never_seen_and_cleared_by_the_next_writer(run):
    run.write(stored(CELLS[0]), RECORDS)
    half = run.path / "cells" / f".tmp-{CELLS[1].folder}-999"
    half.mkdir()
    (half / "cell.json").write_text("{")
    assert len(run.contents().cells) == 1
    assert run.contents().corrupt == ()
    with run.writing():
        assert not half.exists()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("cell.json", lambda p: p.write_bytes(p.read_bytes()[:40])),
        ("cell.json", lambda p: p.unlink()),
        ("cell.json", lambda p: p.write_bytes(b"[]")),
        ("records.parquet", lambda p: p.write_bytes(p.read_bytes()[:-1])),
        ("records.parquet", lambda p: p.unlink()),
    ],
)
def test_damage_is_named_and_the_rest_still_read(run, file, damage):
    for cell in CELLS[:2]:
        run.write(stored(cell), RECORDS)
    damage(run.path / "cells" / CELLS[0].folder / file)
    contents = run.contents()
    assert [s.cell.key for s in contents.cells] == [CELLS[1].key]
    assert len(contents.corrupt) == 1
    assert CELLS[0].folder in contents.corrupt[0]
    assert contents.missing == tuple(c.key for c in CELLS[2:])


def test_a_cell_in_the_wrong_folder_is_damage(run):
    run.write(stored(CELLS[0]), RECORDS)
    cells = run.path / "cells"
    shutil.copytree(cells / CELLS[0].folder, cells / CELLS[1].folder)
    assert "holds the cell" in run.contents().corrupt[0]


def test_a_newer_schema_is_refused_with_a_clear_line(run):
    path = run.path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99, "cells": "new"}))
    with pytest.raises(ResultError, match=r"schema 99 is newer .* upgrade coinfer") as caught:
        RunFolder(run.path)
    assert caught.value.exit_code == 5


def test_a_path_means_a_run_or_the_newest_below_it(run, tmp_path):
    newer = RunFolder.create(tmp_path / "out", SUITE, CELLS, HERE)
    assert newer.path != run.path
    assert resolve_run(tmp_path / "out").path == newer.path
    assert resolve_run(run.path).path == run.path
    with pytest.raises(UsageError, match="holds no run"):
        resolve_run(run.path / "cells")
    with pytest.raises(UsageError, match="does not exist"):
        resolve_run(tmp_path / "nowhere")


def test_of_runs_that_come_with_the_package_the_names_are_told():
    assert resolve_run(Path("reference/quickstart")).info.suite.name == "quickstart"
    with pytest.raises(UsageError, match=r"there are reference/distree/[^q]*/straggler$"):
        resolve_run(Path("reference/distree"))
    with pytest.raises(UsageError, match="reference/quickstart, reference/rocoin,"):
        resolve_run(Path("reference/distreee"))


def test_only_the_identical_suite_on_the_same_machine_is_resumed(run, tmp_path):
    out = tmp_path / "out"
    assert find_same(out, SUITE, HERE).path == run.path
    moved = msgspec.structs.replace(SUITE, origin="elsewhere.toml")
    assert find_same(out, moved, HERE).path == run.path
    other = resolve(SUITE, {"run_seed": [0]})
    assert find_same(out, other, HERE) is None
    busy = msgspec.structs.replace(HERE, readings={"load_1min": 9.0})
    assert find_same(out, SUITE, busy).path == run.path
    away = msgspec.structs.replace(HERE, identity={"cpu": "other", "torch": "2"})
    assert find_same(out, SUITE, away) is None


def test_two_writers_at_once_are_refused(run):
    with (
        run.writing(),
        pytest.raises(UsageError, match="another coinfer process"),
        RunFolder(run.path).writing(),
    ):
        pass
    with run.writing():
        pass


def test_an_output_that_cannot_be_written_is_found_out_without_leaving_anything(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="is no folder") as caught:
        check_writable(file / "out")
    assert caught.value.exit_code == 2
    check_writable(tmp_path / "a" / "b")
    assert sorted(tmp_path.iterdir()) == [file]
    with pytest.raises(UsageError, match="cannot be written"):
        RunFolder.create(file / "out", SUITE, CELLS, HERE)


def test_a_read_only_output_is_refused(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    # Root may write anywhere but into what the kernel makes up.
    folder = Path("/sys") if os.geteuid() == 0 else tmp_path
    with pytest.raises(UsageError, match="cannot be written"):
        check_writable(folder / "out")
