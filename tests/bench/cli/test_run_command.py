"""``coinfer run``: results, resume, failures and stops, with an executor that needs no models."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from coinfer.__main__ import main
from coinfer.cli.run import _Terminated
from coinfer.runtime.realtime.machine import cores
from coinfer.store import resolve_run


def cell_bytes(run: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(run)): p.read_bytes()
        for p in sorted((run / "cells").rglob("*"))
        if p.is_file()
    }


def test_a_run_answers_the_question_and_says_where_to_go(fake, suite_file, coinfer, tmp_path):
    done = coinfer("run", suite_file, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "Who is best?" in done.stdout
    answer = " ".join(done.stdout.split())
    assert "faults = crash: rocoin gains " in answer
    assert "points of accuracy" in answer
    assert "2.00× the MACs per request" in answer
    assert "faults = none: rocoin has 2.00× the MACs per request against nonn" in answer
    assert "coinfer report" in done.stdout
    assert "coinfer compare" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-6])) <= 100
    assert "\x1b" not in done.stdout
    assert "[24/24]" in done.stderr
    assert len(fake.ran) == 24
    assert fake.closed


def test_as_many_models_are_trained_at_a_time_as_asked_or_as_there_are_cores(
    fake, suite_file, coinfer, tmp_path
):
    assert coinfer("run", suite_file, "-o", tmp_path / "out", "-j", "3").exit_code == 0
    assert fake.trainers == 3
    # Their cells run one by one, but training is over by then.
    real = ("--mode", "realtime", "--allow-oversubscribed")
    assert coinfer("run", suite_file, "-o", tmp_path / "real", *real).exit_code == 0
    assert fake.trainers == cores()


def test_the_same_command_again_does_nothing_twice(fake, suite_file, coinfer, tmp_path):
    for _ in range(2):
        assert coinfer("run", suite_file, "-o", tmp_path / "out").exit_code == 0
    assert len(fake.ran) == 24
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_other_inputs_and_force_do_run_again(fake, suite_file, coinfer, tmp_path):
    coinfer("run", suite_file, "-o", tmp_path / "out")
    fake.code = "2"
    coinfer("run", suite_file, "-o", tmp_path / "out")
    assert len(fake.ran) == 48
    assert len(list((tmp_path / "out").iterdir())) == 1
    coinfer("run", suite_file, "-o", tmp_path / "out", "--force")
    assert len(fake.ran) == 72
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (_Terminated(), 143)])
def test_a_stopped_run_keeps_what_is_done_and_the_rest_ends_the_same(
    fake, suite_file, coinfer, tmp_path, stop, code
):
    fake.stop_after, fake.stop_with = 7, stop
    stopped = coinfer("run", suite_file, "-o", tmp_path / "out")
    assert stopped.exit_code == code
    assert "the same command does the rest" in stopped.stderr
    assert fake.closed
    assert len(resolve_run(tmp_path / "out").contents().cells) == 7
    fake.stop_after = None
    assert coinfer("run", suite_file, "-o", tmp_path / "out").exit_code == 0
    assert len(fake.ran) == len(set(fake.ran)) == 24
    coinfer("run", suite_file, "-o", tmp_path / "whole")
    stopped_run, whole = resolve_run(tmp_path / "out"), resolve_run(tmp_path / "whole")
    assert cell_bytes(stopped_run.path) == cell_bytes(whole.path)


def test_sigterm_handling_is_given_back(fake, suite_file, coinfer, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    coinfer("run", suite_file, "-o", tmp_path / "out", "-m", "nonn")
    assert signal.getsignal(signal.SIGTERM) == before


def test_failed_cells_are_recorded_shown_and_tried_again_when_asked(
    fake, suite_file, coinfer, tmp_path
):
    fake.fail = {"nonn"}
    done = coinfer("run", suite_file, "-o", tmp_path / "out")
    assert done.exit_code == 3
    assert "a device burnt down" in done.stdout
    assert "and 7 more" in done.stdout
    cells = json.loads(coinfer("report", tmp_path / "out", "--format", "json").stdout)
    assert sorted({(c["method"], c["status"]) for c in cells}) == [
        ("nonn", "failed"),
        ("rocoin", "done"),
    ]
    assert "--retry-failed" in done.stdout
    fake.fail = set()
    still = coinfer("run", suite_file, "-o", tmp_path / "out")
    assert still.exit_code == 3
    assert "12 of 24 cells have failed before" in still.stderr
    assert len(fake.ran) == 24
    again = coinfer("run", suite_file, "-o", tmp_path / "out", "--retry-failed")
    assert again.exit_code == 0
    assert len(fake.ran) == 24 + 12


def test_other_inputs_are_reason_enough_to_try_a_failed_cell_again(
    fake, suite_file, coinfer, tmp_path
):
    fake.fail = {"nonn"}
    coinfer("run", suite_file, "-o", tmp_path / "out")
    fake.fail, fake.code = set(), "2"
    assert coinfer("run", suite_file, "-o", tmp_path / "out").exit_code == 0
    assert len(fake.ran) == 48


def test_each_cell_twice_keeps_both_figures_and_goes_on_where_it_was_stopped(
    fake, suite_file, coinfer, tmp_path
):
    fake.stop_after = 30
    coinfer("run", suite_file, "-o", tmp_path / "out", "--aa")
    # Four cells a seed, each twice: seeds 0 to 2 have both, six cells of seed 3 ran.
    assert fake.ran[:4] == fake.ran[4:8]
    kept = resolve_run(tmp_path / "out").contents().cells
    assert [bool(stored.again) for stored in kept] == 14 * [True] + 2 * [False]
    fake.stop_after = None
    assert coinfer("run", suite_file, "-o", tmp_path / "out", "--aa").exit_code == 0
    assert sorted(fake.ran) == sorted(2 * list(dict.fromkeys(fake.ran)))
    contents = resolve_run(tmp_path / "out").contents()
    assert contents.corrupt == ()
    assert all(stored.again == stored.figures for stored in contents.cells)
    assert coinfer("run", suite_file, "-o", tmp_path / "out").exit_code == 0
    assert len(fake.ran) == 48


def test_overrides_narrow_the_matrix(fake, suite_file, coinfer, tmp_path):
    options = ["-m", "rocoin", "-a", "faults=none", "-a", "encoding=[raw,int8]", "--seed", "0..2"]
    done = coinfer("run", suite_file, "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    assert len(fake.ran) == 6


def test_dry_run_prints_the_cells_and_writes_nothing(fake, suite_file, coinfer, tmp_path):
    done = coinfer("run", suite_file, "-o", tmp_path / "out", "-n")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 24
    assert done.stdout.startswith("run     method=nonn,")
    assert "time: unknown" in done.stderr
    assert "of the latency can be told from" in done.stderr
    assert not (tmp_path / "out").exists()
    fake.stop_after = 5
    coinfer("run", suite_file, "-o", tmp_path / "out")
    told = coinfer("run", suite_file, "-o", tmp_path / "out", "-n")
    assert told.stdout.count("done  ") == 5
    # Five cells of 0.01 s each were of four settings; the rest is of the same settings.
    assert "time: about 0." in told.stderr
    assert "unknown" not in told.stderr
    assert "24 cells, 5 of them already done" in told.stderr


def test_quiet_prints_the_folder_alone(fake, suite_file, coinfer, tmp_path):
    done = coinfer("run", suite_file, "-o", tmp_path / "out", "--quiet")
    assert done.stdout.strip() == str(resolve_run(tmp_path / "out").path)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-m", "rocoim"], "did you mean 'rocoin'"),
        (["-a", "colour=red"], "'colour' is no axis"),
        (["-m", "nonn", "-a", "method=rocoin"], "given twice"),
        (["--mode", "dream"], "$.axes.mode[0]"),
        (["--mode", "realtime", "-j", "4"], "one at a time"),
        (["--timeline", "95..100"], "--timeline 95..100: request 100 never comes; allowed: 0 to"),
        (["--timeline", "9..5"], "--timeline 9..5: not allowed"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(
    fake, suite_file, coinfer, tmp_path, options, expected
):
    done = coinfer("run", suite_file, "-o", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_headline_of_an_unknown_metric_is_refused_before_any_work(
    fake, suite_file, coinfer, tmp_path
):
    suite_file.write_text(suite_file.read_text().replace('"accuracy"', '"acuracy"'))
    done = coinfer("run", suite_file, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert (
        "$.report.headline.metric: 'acuracy' is no metric; did you mean 'accuracy'" in done.stderr
    )
    assert not fake.ran


def test_an_output_that_cannot_be_written_is_said_before_any_work(fake, suite_file, coinfer):
    done = coinfer("run", suite_file, "-o", suite_file / "out")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    assert not fake.ran


def rows_of(report: str) -> list[list[str]]:
    """First two words of every row of the table of figures."""
    found = [line.split()[:2] for line in report.splitlines()]
    return [words for words in found if {"nonn", "rocoin"} & set(words) and len(words) == 2][:4]


def test_the_report_can_be_grouped_and_sorted(fake, suite_file, coinfer, tmp_path):
    coinfer("run", suite_file, "-o", tmp_path / "out")
    plain = coinfer("report", tmp_path / "out").stdout
    table = plain[plain.index("accuracy %") :]
    assert rows_of(table) == [[m, f] for f in ("none", "crash") for m in ("nonn", "rocoin")]
    # Both are equally fast with and without the fault, and rocoin is slower: 30 ms against 20.
    slowest_last = coinfer("report", tmp_path / "out", "--sort", "latency_p50_ms").stdout
    assert rows_of(slowest_last[slowest_last.index("accuracy %") :]) == rows_of(table)
    best_first = coinfer("report", tmp_path / "out", "--sort", "accuracy").stdout
    last_section = rows_of(best_first[best_first.index("accuracy %") :])[2:]
    assert last_section == [["rocoin", "crash"], ["nonn", "crash"]]
    by_method = coinfer("report", tmp_path / "out", "--by", "method").stdout
    assert rows_of(by_method[by_method.index("accuracy %") :]) == [
        [faults, method] for method in ("nonn", "rocoin") for faults in ("none", "crash")
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ["--by", "cluster"],
            "--by cluster: no axis in which rows differ; allowed: method, faults",
        ),
        (["--sort", "speed"], "--sort: 'speed' is no metric"),
    ],
)
def test_what_a_report_cannot_be_ordered_by_is_named(
    fake, suite_file, coinfer, tmp_path, options, expected
):
    coinfer("run", suite_file, "-o", tmp_path / "out", "--quiet")
    done = coinfer("report", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert expected in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--executor", "dask"], "also give --scheduler tcp://HOST:PORT"),
        (["--scheduler", "tcp://here:1"], "is for --executor dask"),
        (["--executor", "dask", "--scheduler", "tcp://here:1", "-j", "2"], "(--nthreads)"),
        (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:1"], "cannot be reached"),
        (["--executor", "dask", "--scheduler", "nonsense://"], "cannot be reached"),
    ],
)
def test_a_scheduler_that_cannot_be_used_is_one_line(
    fake, suite_file, tmp_path, monkeypatch, capfd, options, said
):
    monkeypatch.setattr("coinfer.execute.dask.connect.TIMEOUT_S", 0.5)
    monkeypatch.setattr("sys.argv", ["coinfer", "run", str(suite_file), *options])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capfd.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not list(tmp_path.glob("results/runs/*"))


def test_dask_that_is_not_installed_is_said_with_the_command(
    fake, suite_file, coinfer, tmp_path, monkeypatch
):
    for name in [n for n in sys.modules if n.startswith(("distributed", "coinfer.execute.dask"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    where = ["--executor", "dask", "--scheduler", "tcp://here:1"]
    done = coinfer("run", suite_file, "-o", tmp_path / "out", *where)
    assert done.exit_code == 2
    assert "pip install 'coinfer[dask]'" in done.stderr
