"""What docs/rocoin.md says is what the kept runs hold."""

from __future__ import annotations

import statistics

import pytest
import rocoin_tables as tables
from kept_runs import KEPT
from marked_tables import MARKS, renewed


@pytest.fixture(scope="module")
def groups():
    return tables.by_method(tables.cells(KEPT / "rocoin"))


def test_the_page_has_the_tables_of_the_runs():
    text, made = tables.PAGE.read_text(encoding="utf-8"), tables.tables()
    assert renewed(text, made) == text
    assert {mark[1] for mark in MARKS.findall(text)} == set(made)


def test_half_an_interval_is_that_of_students_table():
    """Student's t for 2 degrees of freedom and 95 % is 4.303."""
    values = [91.0, 92.0, 93.5]
    expected = 4.303 * statistics.stdev(values) / 3**0.5
    assert tables.half(values) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("failed", [1, 2, 3, 4])
@pytest.mark.parametrize("rival", ["rocoin-single", "nonn-small"])
def test_replicas_keep_more_than_rivals_without(groups, failed, rival):
    """With zeros for what is lost, seed by seed."""
    ours = tables.seeds(groups["rocoin"], tables.lost(failed))
    theirs = tables.seeds(groups[rival], tables.lost(failed))
    assert all(a > b for a, b in zip(ours, theirs, strict=False))


def test_a_head_for_losses_keeps_what_lost_partitions_would_cost(groups):
    """Mean over seeds in points: at most 0.3, 0.5 and 1.1 at one, two and three of four."""
    group = groups["rocoin-large-any"]
    zeros = groups["rocoin-large"]

    def right(cells, gone):
        def of(cell):
            return 100 * cell.figures["accuracy_by_parts_lost"][str(gone)]["mean"]

        return statistics.fmean(tables.seeds(cells, of))

    for gone, most in ((1, 0.3), (2, 0.5), (3, 1.1)):
        assert right(group, 0) - right(group, gone) <= most
        assert right(zeros, 0) - right(zeros, gone) > most
    assert right(zeros, 0) - right(group, 0) <= 0.15


@pytest.mark.parametrize("failed", [3, 4, 6])
def test_an_ensemble_wins_over_zeros_where_much_is_lost(groups, failed):
    ours = tables.seeds(groups["rocoin"], tables.lost(failed))
    theirs = tables.seeds(groups["ensemble"], tables.lost(failed))
    assert statistics.fmean(theirs) > statistics.fmean(ours)


def test_a_cell_tells_where_its_figures_come_from(groups):
    for cells in groups.values():
        for cell in cells:
            assert {"teacher_accuracy", "predicted_latency_ms", "total_macs"} <= set(cell.figures)
            assert cell.figures["total_memory_bytes"] > 0
