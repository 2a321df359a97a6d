"""The committed run can still be read, and this code still makes what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from coinfer.execute import run_cells
from coinfer.store import RunFolder, resolve_run

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "quickstart"


@pytest.fixture(scope="module")
def run() -> RunFolder:
    return resolve_run(REFERENCE)


def test_every_cell_of_it_loads(run):
    contents = run.contents()
    assert len(contents.cells) == 72
    assert contents.corrupt == ()
    assert contents.missing == ()
    assert {stored.status for stored in contents.cells} == {"done"}
    for stored in contents.cells:
        assert len(run.records(stored)) == stored.figures["requests"] == 500


def test_it_comes_with_the_package_too(run):
    assert resolve_run(Path("reference/quickstart")).info == run.info


def test_it_shows_what_the_suite_claims(run):
    """One device crashed: rocoin keeps more than nonn; early exit runs fewer MACs than none."""
    figures = {}
    for stored in run.contents().cells:
        cell = stored.cell
        figures.setdefault((cell.method.variant, cell.faults_name), []).append(stored.figures)

    def mean(name, *key):
        return sum(f[name] for f in figures[key]) / len(figures[key])

    assert mean("accuracy", "rocoin", "one-crash") > mean("accuracy", "nonn", "one-crash")
    for control in ("distree-strict", "distree-full"):
        assert mean("accuracy", control, "none") > 0.9
    saved = mean("macs_per_request", "distree-strict", "none")
    assert saved < mean("macs_per_request", "distree-full", "none")


@pytest.mark.slow
def test_the_same_cell_run_again_takes_the_same_time_to_the_nanosecond(run):
    """Timing is exact on any machine for the same cost table; predictions may differ in a last bit.

    Weights and kernels are the same, but a convolution need not round alike everywhere.
    """
    stored = next(
        s
        for s in run.contents().cells
        if (s.cell.method.variant, s.cell.faults_name, s.cell.run_seed) == ("nonn", "none", 0)
    )
    (finished,) = run_cells([stored.cell], workers=1, timeout_s=None, on_progress=lambda _: None)
    assert finished.error is None
    then, now = run.records(stored), finished.outcome.records
    latency = [[r.answered_ns - r.intended_ns for r in records] for records in (then, now)]
    assert latency[0] == latency[1]
    assert [r.item for r in then] == [r.item for r in now]
    agree = sum(a.prediction == b.prediction for a, b in zip(then, now, strict=True))
    assert agree >= 0.99 * len(then)
