"""What is seen while a run goes on: names that tell cells apart, and nothing where asked for."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from coinfer.cli.view import LiveView, PlainView, QuietView, view_for
from coinfer.store import StoredCell
from coinfer.suite import expand, load_suite


@pytest.fixture
def cells(fake, suite_file):
    from coinfer.cli import engine

    axes = {"cluster": ["mixed-4", "mixed-8"], "deadline_ms": [100.0, 250.5], "run_seed": [3]}
    return expand(load_suite(suite_file), engine.methods(), axes)


def console(**how):
    return Console(file=io.StringIO(), width=200, **how)


def done(cell):
    figures = {"accuracy": 0.9, "latency_p50_ms": 4.0, "latency_p95_ms": None, "warnings": ["odd"]}
    return StoredCell(schema=1, cell=cell, inputs_hash="h", status="done", figures=figures)


def test_a_line_names_whatever_varies(cells):
    seen = console()
    view = PlainView(seen, cells)
    for cell in cells[:2]:
        view.finished(done(cell), 1.25)
    first, warning, second = seen.file.getvalue().splitlines()
    assert first == ("[1/16] nonn · mixed-4 · none · 100 · seed 3: accuracy 90.0 %, 1.2 s")
    assert warning == "warning  nonn · mixed-4 · none · 100 · seed 3: odd"
    assert second.startswith("[2/16] rocoin · mixed-4 · none · 100 · seed 3")


def test_what_is_the_same_everywhere_is_not_named(cells):
    seen = console()
    PlainView(seen, cells[:2]).finished(done(cells[0]), 1.0)
    assert seen.file.getvalue().startswith("[1/2] nonn · seed 3: ")


def test_the_view_suits_where_it_is_seen(cells):
    assert type(view_for(console(), cells, quiet=False)) is PlainView
    assert type(view_for(console(force_terminal=True), cells, quiet=False)) is LiveView
    assert type(view_for(console(force_terminal=True), cells, quiet=True)) is QuietView
    assert type(view_for(console(), [], quiet=False)) is QuietView


def test_a_terminal_shows_figures_by_what_varies(cells):
    seen = console(force_terminal=True)
    with LiveView(seen, cells) as view:
        for cell in cells:
            view.finished(done(cell), 1.0)
    text = seen.file.getvalue()
    for heading in ("method", "cluster", "faults", "deadline_ms", "accuracy"):
        assert heading in text
    assert "encoding" not in text


def test_no_color_takes_colours_away(cells, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    plain = console(force_terminal=True)
    PlainView(plain, cells).finished(done(cells[0]), 1.0)
    monkeypatch.delenv("NO_COLOR")
    coloured = console(force_terminal=True, color_system="standard")
    PlainView(coloured, cells).finished(done(cells[0]), 1.0)
    assert "\x1b[33m" in coloured.file.getvalue()
    assert "\x1b[33m" not in plain.file.getvalue()
