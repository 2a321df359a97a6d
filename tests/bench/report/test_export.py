"""Exports open elsewhere, and what is computed there is what the report says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from pylatexenc.latexwalker import LatexWalker
from typer.testing import CliRunner

from coinfer.cli.app import app
from coinfer.runtime.record import Record
from coinfer.store import resolve_run
from coinfer.suite import AXES

OLD = Path(__file__).parents[1] / "store" / "fixtures" / "schema-1"
WHERE = ("method", "faults", "run_seed")


@pytest.fixture(scope="module")
def cells():
    return resolve_run(Path("reference/quickstart")).contents().cells


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    options = ("csv", "parquet", "markdown", "latex")
    named = [f"--export-{option}={folder / option}" for option in options]
    done = CliRunner().invoke(app, ["report", "reference/quickstart", *named])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 6
    return folder


def accuracies(cells):
    return {
        tuple(str(s.cell.coordinates[axis]) for axis in WHERE): s.figures["accuracy"] for s in cells
    }


def test_cells_in_pandas(exported, cells):
    for frame in (
        pd.read_parquet(exported / "parquet" / "cells.parquet"),
        pd.read_csv(exported / "csv" / "cells.csv"),
    ):
        assert len(frame) == 72
        assert list(frame.columns[:2]) == ["run", "cell"]
        assert set(AXES) <= set(frame.columns)
        found = {tuple(map(str, key)): a for *key, a in frame[[*WHERE, "accuracy"]].values}
        assert found == pytest.approx(accuracies(cells))
        parts = frame.filter(like="critical_path_ms_").sum(axis=1)
        assert (parts - frame["latency_mean_ms"]).abs().max() < 1e-6
        assert json.loads(frame["exit_counts"][0]) == cells[0].figures["exit_counts"]


def test_records_in_pandas(exported, cells):
    frame = pd.read_parquet(exported / "parquet" / "records.parquet")
    assert len(frame) == 72 * 500
    assert set(Record.__struct_fields__) <= set(frame.columns)
    frame["right"] = frame["answered_ns"].notna() & (frame["prediction"] == frame["label"])
    found = frame.groupby([*WHERE], observed=True)["right"].mean()
    assert {tuple(map(str, key)): a for key, a in found.items()} == pytest.approx(accuracies(cells))


def test_records_in_polars(exported, cells):
    frame = pl.read_parquet(exported / "parquet" / "records.parquet")
    right = pl.col("answered_ns").is_not_null() & (pl.col("prediction") == pl.col("label"))
    found = frame.group_by(WHERE).agg(right.mean().alias("accuracy"))
    got = {tuple(map(str, row[:3])): row[3] for row in found.iter_rows()}
    assert got == pytest.approx(accuracies(cells))
    assert pl.read_parquet(exported / "parquet" / "cells.parquet").height == 72
    assert pl.read_csv(exported / "csv" / "records.csv").height == 72 * 500


def test_records_in_duckdb(exported, cells):
    rows = duckdb.sql(
        "select method, faults, run_seed, "
        "avg((answered_ns is not null and prediction = label)::int) "
        f"from '{exported}/parquet/records.parquet' group by all"
    ).fetchall()
    got = {tuple(map(str, row[:3])): row[3] for row in rows}
    assert got == pytest.approx(accuracies(cells))
    joined = duckdb.sql(
        f"select count(*), max(c.latency_p50_ms) from '{exported}/parquet/cells.parquet' c "
        f"join '{exported}/parquet/records.parquet' r using (run, cell)"
    ).fetchall()
    assert joined[0][0] == 72 * 500


def test_csv_has_no_value_that_would_need_guessing(exported):
    with (exported / "csv" / "records.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file)
        first = next(rows)
    assert first["status"] in ("ok", "degraded", "timeout", "failed")
    assert first["warm_up"] == "false"
    assert int(first["intended_ns"]) >= 0


def test_tables_for_people_have_a_row_a_setting(exported):
    text = (exported / "markdown").read_text(encoding="utf-8")
    assert text.startswith("**Who still answers well when a device dies?**\n\n| method |")
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + 12
    paper = (exported / "latex").read_text(encoding="utf-8")
    assert paper.isascii()
    LatexWalker(paper, tolerant_parsing=False).get_latex_nodes()
    assert len([line for line in paper.splitlines() if line.endswith(r" \\")]) == 1 + 12


def test_an_old_run_and_several_runs_export_alike(tmp_path):
    command = ["report", str(OLD), "reference/quickstart", f"--export-parquet={tmp_path / 'x'}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    frame = pd.read_parquet(tmp_path / "x" / "records.parquet")
    assert frame.groupby("run", observed=True).size().to_dict() == {
        "schema-1": 500,
        "quickstart": 36_000,
    }
    assert not frame["warm_up"].any()


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for option in ("csv", "parquet", "markdown", "latex"):
        where = tmp_path / "file" / "x"
        done = CliRunner().invoke(app, ["report", str(OLD), f"--export-{option}={where}"])
        assert done.exit_code == 2, done.output
        assert "cannot be written" in done.stderr
