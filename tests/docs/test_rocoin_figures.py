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


@pytest.mark.parametrize(("name", "usual"), [("rocoin", "rocoin"), ("nonn", "nonn-small")])
def test_portions_lost_in_training_cost_little_and_a_head_keeps_more(groups, name, usual):
    """At every seed."""

    def kept(method, failed):
        return tables.seeds(groups[method], tables.lost(failed))

    def gains(method, base, failed):
        pairs = zip(kept(method, failed), kept(base, failed), strict=True)
        return [ours - theirs for ours, theirs in pairs]

    dropped = f"{name}-dropout"
    assert all(-0.3 < gain < 0 for gain in gains(dropped, usual, 0))
    assert min(gains(dropped, usual, 4)) > (2 if name == "nonn" else 0.6)
    for failed in (0, 1, 2, 3, 4, 6):
        assert min(gains(f"{name}-any", dropped, failed)) > 0


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


@pytest.fixture(scope="module")
def swept():
    """Cells of the sweep by choice and cluster."""
    return {(cell.cell.method.variant, cell.cell.cluster_name): cell for cell in tables.swept()}


def on_clusters(swept, choice, figure):
    return {cluster: figure(cell) for (name, cluster), cell in swept.items() if name == choice}


def test_the_outage_bound_decides(swept):
    def in_full(cell):
        return cell.figures["availability_in_full"]

    def latency(cell):
        return cell.figures["latency_p50_ms"]

    strict, loose = (on_clusters(swept, f"outage-{b}", in_full) for b in ("0.001", "0.05"))
    assert min(strict.values()) >= 0.999
    assert min(loose.values()) < 0.67
    times = {c: on_clusters(swept, c, latency) for c in ("rocoin", "outage-0.001")}
    assert times["outage-0.001"]["uneven-8"] < 0.5 * times["rocoin"]["uneven-8"]
    assert times["outage-0.001"]["rocoin-8-uplink"] > 1.7 * times["rocoin"]["rocoin-8-uplink"]
    usual = {"rocoin", "uniform", "louvain", "greedy", "no-refinement", "minimum-cost"}
    for choice in usual | {"epsilon-0", "epsilon-0.5"}:
        for cluster, took in on_clusters(swept, choice, latency).items():
            assert took == pytest.approx(times["rocoin"][cluster], rel=0.015)


def test_word_to_stop_comes_when_replicas_have_done_their_work(swept):
    def wasted(cell):
        return cell.figures["macs_wasted_per_request"]

    assert on_clusters(swept, "stop-others", wasted) == on_clusters(swept, "rocoin", wasted)


def test_what_was_lost_in_training_is_missed_less(swept):
    plain, dropped = (on_clusters(swept, c, tables.half_lost) for c in ("rocoin", "dropout"))
    assert all(96 <= kept <= 98 and kept > plain[c] for c, kept in dropped.items())
