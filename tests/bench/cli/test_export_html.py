"""The HTML report from the command line: what is written, and what is said where nothing can be."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def out(fake, suite_file, coinfer, tmp_path):
    assert coinfer("run", suite_file, "-o", tmp_path / "out").exit_code == 0
    return tmp_path / "out"


def test_a_run_becomes_a_page(out, coinfer, tmp_path):
    file = tmp_path / "report.html"
    done = coinfer("report", out, "--html", file)
    assert done.exit_code == 0, done.output
    assert str(file) in done.stderr
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.count('<details class="cell"') == 24


def test_failed_cells_are_on_the_page_with_their_error(fake, suite_file, coinfer, tmp_path):
    fake.fail = {"nonn", "rocoin"}
    file = tmp_path / "report.html"
    coinfer("run", suite_file, "-o", tmp_path / "out")
    assert coinfer("report", tmp_path / "out", "--html", file).exit_code == 0
    text = file.read_text(encoding="utf-8")
    cells = json.loads(coinfer("report", tmp_path / "out", "--format", "json").stdout)
    assert {cell["status"] for cell in cells} == {"failed"}
    assert text.count('<p class="error">') == len(cells)
    assert "no cell is done" in text


@pytest.mark.parametrize(
    ("runs", "file", "said"),
    [
        (("out", "out"), "report.html", "given twice"),
        (("out",), "nowhere/report.html", "cannot be written"),
    ],
)
def test_mistakes_are_one_line(out, coinfer, tmp_path, runs, file, said):
    done = coinfer("report", *(tmp_path / run for run in runs), "--html", tmp_path / file)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_comparison_becomes_a_page_beside_what_is_printed(out, coinfer, tmp_path):
    file = tmp_path / "compared.html"
    done = coinfer("compare", out, "--base", "nonn", "--only-changed", "--html", file)
    assert done.exit_code == 0, done.output
    assert f"wrote {file}" in done.stderr
    assert "rocoin against nonn" in done.stdout
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    # The page has filters of its own: nothing is left out of it.
    assert 'data-axis="verdict" data-value="same"' in text


def test_a_comparison_that_cannot_be_written_is_one_line(out, coinfer, tmp_path):
    done = coinfer("compare", out, "--base", "nonn", "--html", tmp_path)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    done = coinfer("compare", "--history", out, "--html", tmp_path / "h.html")
    assert done.exit_code == 2
