"""A trace from the command line: which cells it has, and what is said where there is none."""

from __future__ import annotations

import json

import msgspec
import pytest

from coinfer.runtime.record import Span


@pytest.fixture
def timed(fake, monkeypatch):
    """Cells whose timeline is one computation a request."""
    plain = fake.run_cells

    def run_cells(cells, **more):
        for one in plain(cells, **more):
            spans = [
                Span(kind, "d0", r, r + 1, r, (r,), "stage", step=r)
                for r in one.cell.timeline
                for kind in ("queue", "compute")
            ]
            one.outcome = msgspec.structs.replace(one.outcome, spans=tuple(spans))
            yield one

    monkeypatch.setattr("coinfer.cli.engine.run_cells", run_cells)
    return fake


@pytest.fixture
def run(timed, coinfer, suite_file, tmp_path):
    done = coinfer("run", suite_file, "-o", tmp_path / "out", "--quiet", "--timeline", "2,4..6")
    assert done.exit_code == 0, done.output
    return tmp_path / "out"


def processes(path):
    events = json.loads(path.read_bytes())["traceEvents"]
    names = [e["args"]["name"] for e in events if e["name"] == "process_name"]
    slices = [e["name"] for e in events if e["ph"] == "X" and e["name"].startswith("stage")]
    return names, sorted(set(slices))


@pytest.mark.parametrize(
    ("options", "names", "requests"),
    [
        ((), ["nonn", "rocoin"], "2456"),
        (("--requests", "4..5"), ["nonn", "rocoin"], "45"),
        (("--cell", "method=nonn,run_seed=3,faults=crash"), ["nonn"], "2456"),
        (
            ("--cell", "run_seed=3,method=nonn", "--cell", "run_seed=3,faults=none"),
            ["nonn faults=none", "rocoin faults=none", "nonn faults=crash"],
            "2456",
        ),
    ],
)
def test_cells_and_requests_are_chosen(run, coinfer, tmp_path, options, names, requests):
    file = tmp_path / "trace.json"
    done = coinfer("report", run, "--export-trace", file, *options)
    assert done.exit_code == 0, done.output
    assert "ui.perfetto.dev" in done.output
    found, slices = processes(file)
    assert sorted(found) == sorted(names)
    assert slices == [f"stage #{r}" for r in requests]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--requests", "3"), "no timeline of request 3; it has 2, 4, 5, 6"),
        (("--requests", "x"), "write 3, 0..9 or 0..4,100"),
        (("--cell", "method=none"), "no cell with a timeline is like that"),
        (("--cell", "mehtod=nonn"), "did you mean 'method'?"),
    ],
)
def test_a_wrong_choice_is_named_in_one_line(run, coinfer, tmp_path, options, said):
    done = coinfer("report", run, "--export-trace", tmp_path / "trace.json", *options)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert not (tmp_path / "trace.json").exists()


def test_a_run_without_timelines_says_how_to_get_some(timed, coinfer, suite_file, tmp_path):
    assert coinfer("run", suite_file, "-o", tmp_path / "out", "--quiet").exit_code == 0
    done = coinfer("report", tmp_path / "out", "--export-trace", tmp_path / "trace.json")
    assert done.exit_code == 2
    assert "coinfer run mine.toml --timeline 0..9" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("9..3", "'9..3'"),
        ("0..200", "at most 100 requests"),
        ("95..100", "request 100 never comes; allowed: 0 to 99"),
    ],
)
def test_timelines_that_cannot_be_are_refused(timed, coinfer, suite_file, tmp_path, asked, said):
    done = coinfer("run", suite_file, "-o", tmp_path / "out", "--timeline", asked)
    assert done.exit_code == 2
    assert said.strip("'") in " ".join(done.output.split())
    assert timed.ran == []


def test_a_damaged_timeline_is_named(run, coinfer, tmp_path):
    victim = next(run.glob("*/cells/*/timeline.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    done = coinfer("report", run)
    assert done.exit_code == 5
    assert "timeline.parquet" in done.output
