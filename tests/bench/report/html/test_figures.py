"""What the figures draw, against the records and figures of the run, read by other means."""

from __future__ import annotations

import math
import statistics
from collections import Counter

import msgspec
import pyarrow.parquet as pq
import pytest

from coinfer.report.html import Shown
from coinfer.report.html.figures import FIGURES
from coinfer.report.html.figures.boards import boards
from coinfer.report.html.figures.exits import exits
from coinfer.report.html.figures.failures import failures
from coinfer.report.html.figures.fidelity import fidelity
from coinfer.report.html.figures.kernels import kernels
from coinfer.report.html.figures.latency import distribution, latency
from coinfer.report.html.figures.path import path
from coinfer.report.html.figures.tradeoffs import against_bytes, against_latency, against_macs
from coinfer.report.html.material import Absent, Figure, Material


def records_of(material, setting):
    """Rows of the Parquet files, a list for each cell."""
    folder = material.runs[0].folder.path / "cells"
    return [
        pq.read_table(folder / c.cell.folder / "records.parquet").to_pylist() for c in setting.done
    ]


def latencies(rows):
    return sorted(
        math.inf if r["answered_ns"] is None else (r["answered_ns"] - r["intended_ns"]) / 1e6
        for r in rows
    )


def points(figure, number):
    """The one point of a setting."""
    (found,) = (
        (trace.x[place], trace.y[place])
        for trace in figure.traces
        if trace.meta and "points" in trace.meta
        for place, n in enumerate(trace.meta["points"])
        if n == number
    )
    return found


def bars(figure, number):
    return {
        trace.name: trace.x[trace.meta["points"].index(number)]
        for trace in figure.traces
        if trace.meta and number in trace.meta.get("points", ())
    }


def of_run(run):
    return Material([Shown("", run, run.contents())])


def test_points_are_accuracy_and_cost_over_all_requests(material):
    figures = {f: f(material) for f in (against_latency, against_macs, against_bytes)}
    for setting in material.settings:
        cells = records_of(material, setting)
        accuracy = statistics.fmean(
            sum(r["prediction"] == r["label"] for r in rows) / len(rows) for rows in cells
        )
        median_ms = statistics.median(
            latencies(rows)[math.ceil(0.5 * len(rows)) - 1] for rows in cells
        )
        macs, up = (
            statistics.fmean(sum(r[name] for r in rows) / len(rows) for rows in cells)
            for name in ("macs", "bytes_up")
        )
        for figure, x in zip(figures.values(), (median_ms, macs, up), strict=True):
            assert points(figure, setting.number) == pytest.approx((x, 100 * accuracy), rel=1e-5)


def test_a_setting_has_its_interval(material):
    figure = against_latency(material)
    trace = next(t for t in figure.traces if t.meta and 0 in t.meta.get("points", ()))
    shares = [cell.figures["accuracy"] for cell in material.settings[0].done]
    low, high = (trace.y[0] - trace.error_y.arrayminus[0], trace.y[0] + trace.error_y.array[0])
    assert 100 * min(shares) <= low < trace.y[0] < high <= 100 * max(shares)


def test_each_step_of_a_distribution_is_a_share_of_all_requests(material):
    figure = latency(material)
    curves = {t.meta["settings"][0]: t for t in figure.traces if len(t.x) > 1}
    for setting in material.settings:
        found = latencies([r for rows in records_of(material, setting) for r in rows])
        curve = curves[setting.number]
        assert len(curve.x) <= 170
        for x, y in list(zip(curve.x, curve.y, strict=True))[1:]:
            within = sum(ms <= x + 1e-7 for ms in found)
            assert y == pytest.approx(100 * within / len(found), abs=1e-3)
        assert curve.y[-1] == pytest.approx(
            100 * sum(map(math.isfinite, found)) / len(found), abs=1e-3
        )
        assert curve.x[-1] > setting.cells[0].cell.deadline_ms
    one_lost = next(s for s in material.settings if s.label == "local-teacher<br>faults one-crash")
    assert curves[one_lost.number].y[-1] == pytest.approx(100 * 2600 / 3000, abs=1e-3)


def test_a_distribution_without_answers_stays_at_zero():
    x, y = distribution(latency_sample([math.inf] * 3), 10.0)
    assert (x, y) == ([0.0, 10.0], [0.0, 0.0])
    x, y = distribution(latency_sample([1.0, 2.0, 2.0, math.inf]), 10.0)
    assert set(zip(x, y, strict=True)) == {(0, 0), (1, 25), (2, 75), (10, 75)}


def latency_sample(values):
    import numpy as np

    return np.array(values)


def test_failures_are_the_means_of_the_curves(material):
    figure = failures(material)
    for method in ("local-teacher", "nonn", "rocoin"):
        cells = [c for c in material.cells if c.cell.method.variant == method]
        mean, worst = (t for t in figure.traces if t.name == method)
        assert list(mean.x) == list(range(9))
        for failed in range(9):
            for trace, name in ((mean, "mean"), (worst, "worst")):
                shares = [c.figures["accuracy_by_failures"][str(failed)][name] for c in cells]
                assert trace.y[failed] == pytest.approx(100 * statistics.fmean(shares), rel=1e-5)
        own = {s.number for s in material.settings if s.method == method}
        assert set(mean.meta["settings"]) == own


def test_the_parts_of_the_critical_path_add_up_to_the_latency(material):
    figure = path(material)
    for setting in material.settings:
        means = [
            statistics.fmean(ms for ms in latencies(rows) if math.isfinite(ms))
            for rows in records_of(material, setting)
            if any(r["answered_ns"] is not None for r in rows)
        ]
        parts = bars(figure, setting.number)
        assert list(parts) == ["compute", "serialise", "link", "queue", "decide"]
        assert sum(parts.values()) == pytest.approx(statistics.fmean(means), rel=1e-4)


def test_exits_are_shares_of_all_requests(material):
    figure = exits(material)
    with_exits = [s for s in material.settings if s.method.startswith("distree")]
    assert len(figure.table.lines) == len(with_exits)
    for setting in with_exits:
        rows = [r for cell in records_of(material, setting) for r in cell]
        counted = Counter(r["exit"] for r in rows if r["answered_ns"] is not None)
        found = bars(figure, setting.number)
        for name, share in found.items():
            assert share == pytest.approx(
                100 * counted[int(name.split()[-1])] / len(rows), rel=1e-5
            )


def test_figures_without_data_say_why(material):
    absent = {f.name: f.reason for made in FIGURES if isinstance(f := made(material), Absent)}
    assert absent == {
        "kernels": "all cells use the same back end of the kernels",
        "fidelity": "no cell ran in real time",
        "boards": "no cell ran on boards",
    }


def test_a_run_without_a_done_cell_has_no_figures(made):
    def fail(stored):
        return msgspec.structs.replace(stored, status="failed", error="no room", figures={})

    assert all(isinstance(figure(of_run(made(fail))), Absent) for figure in FIGURES)


def test_every_figure_has_its_data_as_a_table_of_the_same_settings(material):
    for figure in (f for made in FIGURES if isinstance(f := made(material), Figure)):
        drawn = {n for t in figure.traces if t.meta for n in t.meta.get("points", ())}
        drawn |= {n for t in figure.traces if t.meta for n in t.meta.get("settings", ())}
        assert drawn <= {n for line in figure.table.lines for n in line.settings} or not drawn
        assert {len(line.cells) for line in figure.table.lines} == {len(figure.table.headings)}


def test_a_median_beyond_the_deadline_is_told_and_not_drawn(made):
    def slow(stored):
        if stored.cell.method.variant != "nonn":
            return stored if stored.cell.method.variant == "rocoin" else None
        return msgspec.structs.replace(stored, figures=stored.figures | {"latency_p50_ms": None})

    figure = against_latency(of_run(made(slow)))
    drawn = {n for t in figure.traces if t.meta for n in t.meta.get("points", ())}
    assert len(figure.table.lines) == 4
    assert len(drawn) == 2
    assert "2 without a median within the deadline" in figure.caption
    assert sum("> 400 ms" in line.cells for line in figure.table.lines) == 2


def test_back_ends_of_the_kernels_stand_side_by_side(made, moved):
    def only(kernel, serialise_ms):
        def change(stored):
            if stored.cell.faults_name != "none" or stored.cell.run_seed > 0:
                return None
            parts = stored.figures["critical_path_ms"] | {"serialise": serialise_ms}
            new = msgspec.structs.replace(
                stored, figures=stored.figures | {"critical_path_ms": parts}
            )
            return moved(new, kernels=kernel)

        return change

    material = of_run(made(only("native", 1.0), only("reference", 7.0)))
    figure = kernels(material)
    labels = figure.layout["yaxis"]["categoryarray"]
    assert [label.partition("kernels ")[2] for label in labels] == ["native", "reference"] * 6
    serialise = next(t for t in figure.traces if t.name == "serialise")
    assert list(serialise.x) == [1.0, 7.0] * 6


def test_fidelity_pairs_cells_and_flags_what_is_not_valid(made, moved):
    def real(stored):
        if (stored.cell.method.variant, stored.cell.faults_name) != ("nonn", "none"):
            return None
        bad = stored.cell.run_seed == 5
        told = {
            "verdict": "UNTRUSTWORTHY" if bad else "VALID",
            "overrun_fraction": 0.01,
            "paired_p50": 0.004,
            "paired_p95": None if bad else 0.01 + stored.cell.run_seed / 1000,
            "density": 0.2,
        }
        figures = stored.figures | {"fidelity": told, "latency_p50_ms": 50.0}
        return moved(msgspec.structs.replace(stored, figures=figures), mode="realtime")

    def virtual(stored):
        return stored if stored.cell.run_seed != 3 else None

    material = of_run(made(virtual, real))
    figure = fidelity(material)
    half, most = figure.traces
    assert list(half.x) == [0.4] * 6
    assert sorted(most.x) == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4])
    by_seed = {
        line.cells[figure.table.headings.index("run seed")]: line for line in figure.table.lines
    }
    assert by_seed["5"].flag == "untrustworthy"
    assert "∞" in by_seed["5"].cells
    assert by_seed["0"].flag == ""
    twin = next(
        c for c in material.cells if c.cell.mode == "virtual" and c.cell.method.variant == "nonn"
    )
    assert by_seed["0"].cells[-2:] == ("50", f"{twin.figures['latency_p50_ms']:.1f}")
    assert by_seed["3"].cells[-1] == "-"


def test_boards_stand_beside_their_emulation_and_what_was_not_answered_is_told(made):
    def ran(stored):
        if (stored.cell.method.variant, stored.cell.faults_name) != ("nonn", "none"):
            return None
        lost = stored.cell.run_seed == 5
        emulation = {
            **{"latency_p50_ms": 45.0, "latency_p95_ms": None if lost else 66.0},
            **{"error_p50": -0.1, "error_p95": None if lost else 0.1},
            **{"paired_p50": 0.05, "paired_p95": 0.25, "agreement": 0.975},
        }
        figures = {"emulation": emulation, "latency_p50_ms": 50.0, "latency_p95_ms": 60.0}
        return msgspec.structs.replace(stored, figures=stored.figures | figures)

    figure = boards(of_run(made(ran)))
    drawn = {trace.name: list(trace.x) for trace in figure.traces}
    assert drawn == {
        "median, on boards": [50.0] * 6,
        "median, emulated": [45.0] * 6,
        "p95, on boards": [60.0] * 6,
        "p95, emulated": [66.0] * 5,
    }
    told = {
        line.cells[figure.table.headings.index("run seed")]: line for line in figure.table.lines
    }
    emulated = ("50", "45", "-10.0 %", "60", "66", "+10.0 %", "25.0 %", "97.5 %")
    assert told["0"].cells[-8:] == emulated
    assert told["5"].cells[-5:-2] == ("60", "> 400", "without bound")
