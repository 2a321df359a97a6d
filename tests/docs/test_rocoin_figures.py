"""What docs/rocoin.md says is what the kept runs hold."""

from __future__ import annotations

import statistics

import pytest
import rocoin_tables as tables
from marked_tables import MARKS, renewed
from scipy import stats


@pytest.fixture(scope="module")
def groups():
    return tables.kept_groups()


def test_the_page_has_the_tables_of_the_runs():
    text, made = tables.PAGE.read_text(encoding="utf-8"), tables.tables()
    assert renewed(text, made) == text
    assert {mark[1] for mark in MARKS.findall(text)} == set(made)


def test_half_an_interval_is_that_of_students_table():
    """Student's t for 2 degrees of freedom and 95 % is 4.303."""
    values = [91.0, 92.0, 93.5]
    expected = 4.303 * statistics.stdev(values) / 3**0.5
    assert tables.half(values) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["rocoin-large", "rocoin-large-any"])
def test_students_are_shown_to_be_less_than_half_a_point_below_their_teacher(groups, name):
    """One-sided t test at a margin of 0.5 points over five training seeds; scipy has it, too."""

    def gap(cell):
        return 100 * cell.figures["teacher_accuracy"] - tables.lost(0)(cell)

    gaps = tables.seeds(groups[name], gap)
    assert len(gaps) == 5
    assert statistics.fmean(gaps) <= 0.3
    assert stats.ttest_1samp(gaps, tables.MARGIN_POINTS, alternative="less").pvalue < 0.05


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
