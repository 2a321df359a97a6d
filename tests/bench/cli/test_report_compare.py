"""``coinfer report`` and ``coinfer compare`` on stored runs."""

from __future__ import annotations

import json

import pytest

from coinfer.store import resolve_run

# What the JSON report promises to programs.
PROMISED = [
    *(
        "cell",
        "method",
        "dataset",
        "cluster",
    ),
    *(
        "faults",
        "encoding",
        "kernels",
        "train_seed",
    ),
    *(
        "run_seed",
        "mode",
        "status",
        "requests",
    ),
    *(
        "ok",
        "degraded",
        "timeout",
        "failed",
    ),
    *(
        "accuracy",
        "accuracy_answered",
        "latency_p50_ms",
        "latency_p95_ms",
    ),
    *(
        "latency_p99_ms",
        "latency_mean_ms",
        "goodput_rps",
        "deadline_hit_rate",
    ),
    *(
        "bytes_up_per_request",
        "bytes_down_per_request",
        "messages_per_request",
        "macs_per_request",
    ),
    *(
        "macs_wasted_per_request",
        "peak_memory_bytes",
        "energy_proxy_j",
        "exit_counts",
    ),
    *(
        "critical_path_ms",
        "trace_sha256",
        "fidelity",
        "warnings",
    ),
]


@pytest.fixture
def out(fake, suite_file, coinfer, tmp_path):
    assert coinfer("run", suite_file, "-o", tmp_path / "out").exit_code == 0
    return tmp_path / "out"


def test_json_has_one_object_a_cell_with_every_promised_field(out, coinfer):
    done = coinfer("report", out, "--format", "json")
    cells = json.loads(done.stdout)
    assert len(cells) == 24
    assert all(set(PROMISED) <= set(cell) for cell in cells)
    by_folder = coinfer("report", resolve_run(out).path, "--format", "json")
    assert json.loads(by_folder.stdout) == cells
    one = next(c for c in cells if c["method"] == "rocoin")
    assert one["macs_per_request"] == 2000
    assert one["requests"] == one["ok"] == 100
    assert 27 <= one["latency_p50_ms"] <= 33


def test_failed_cells_have_every_field_too(fake, suite_file, coinfer, tmp_path):
    fake.fail = {"nonn", "rocoin"}
    coinfer("run", suite_file, "-o", tmp_path / "bad")
    (cell, *_) = json.loads(coinfer("report", tmp_path / "bad", "--format", "json").stdout)
    assert set(PROMISED) <= set(cell)
    assert cell["accuracy"] is None
    assert coinfer("report", tmp_path / "bad").exit_code == 0


def test_a_corrupt_result_is_named_the_rest_reported_and_the_exit_is_5(out, coinfer):
    broken = next((resolve_run(out).path / "cells").glob("*/cell.json"))
    broken.write_text("{")
    done = coinfer("report", out, "--format", "json")
    assert done.exit_code == 5
    assert len(json.loads(done.stdout)) == 23
    assert broken.parent.name in done.stderr
    table = coinfer("report", out)
    assert table.exit_code == 5
    assert "corrupt" in table.stdout


def test_a_corrupt_cell_is_done_again_by_the_next_run(out, fake, suite_file, coinfer):
    next((resolve_run(out).path / "cells").glob("*/records.parquet")).write_bytes(b"x")
    assert coinfer("run", suite_file, "-o", out).exit_code == 0
    assert len(fake.ran) == 25
    assert coinfer("report", out).exit_code == 0


def test_no_run_is_bad_input(coinfer, tmp_path):
    done = coinfer("report", tmp_path)
    assert done.exit_code == 2
    assert "holds no run" in done.stderr


def test_methods_within_a_run(out, coinfer):
    command = ["compare", out, "--by", "method", "--base", "nonn", "--format", "json"]
    done = coinfer(*command, "--metric", "latency_p50_ms", "--metric", "accuracy")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    keys = {"verdict", "ratio", "ci_low", "ci_high", "p_value", "threshold"}
    assert all(keys <= set(row) for row in rows)
    slow = next(r for r in rows if r["metric"] == "latency_p50_ms")
    assert slow["verdict"] == "slower"
    assert slow["ratio"] == pytest.approx(1.5, rel=0.05)
    assert coinfer(*command, "--metric", "latency_p50_ms", "--fail-on", "regression").exit_code == 4


def test_a_run_against_itself_is_the_same_and_against_a_slower_one_exits_4(
    out, fake, suite_file, coinfer, tmp_path
):
    assert coinfer("compare", out, out).exit_code == 0
    fake.slower = 1.1
    coinfer("run", suite_file, "-o", tmp_path / "slow")
    done = coinfer("compare", out, tmp_path / "slow", "--format", "json")
    assert done.exit_code == 4
    rows = [r for r in json.loads(done.stdout) if r["metric"] == "latency_p50_ms"]
    assert {r["verdict"] for r in rows} == {"slower"}
    assert all(r["exact"] and r["ratio"] == pytest.approx(1.1, rel=1e-3) for r in rows)
    assert coinfer("compare", out, tmp_path / "slow", "--threshold", "15%").exit_code == 0
    assert coinfer("compare", tmp_path / "slow", out).exit_code == 0
    table = coinfer("compare", out, tmp_path / "slow")
    assert max(map(len, table.stdout.splitlines())) <= 100
    assert "slower" in table.stdout
    text = coinfer("compare", out, tmp_path / "slow", "--only-changed", "--format", "markdown")
    told = [line for line in text.stdout.splitlines() if line.startswith("- ")]
    assert len(told) == 4
    assert all("answers 1.10× slower than" in line for line in told)
    assert len([line for line in text.stdout.splitlines() if line.startswith("|")]) == 2 + 4
    paper = coinfer("compare", out, tmp_path / "slow", "--format", "latex", "--sort", "verdict")
    rows = [line for line in paper.stdout.splitlines() if line.endswith(r"\\")]
    assert [line.rpartition("& ")[2] for line in rows[1:5]] == [r"slower \\"] * 4


def test_many_runs_are_one_table(out, fake, suite_file, coinfer, tmp_path):
    fake.slower = 1.1
    coinfer("run", suite_file, "-o", tmp_path / "slow")
    command = ["compare", out, out, tmp_path / "slow", "--metric", "latency_p50_ms"]
    done = coinfer(*command, "--format", "json", "--sort", "verdict")
    assert done.exit_code == 4
    rows = json.loads(done.stdout)
    assert [row["verdict"] for row in rows] == ["slower"] * 4 + ["same"] * 4
    assert rows[0]["new"] == str(tmp_path / "slow")
    assert rows[0]["sentence"].startswith("method = nonn, faults = none: ")


def test_history_of_a_folder(out, fake, suite_file, coinfer, tmp_path):
    command = ["compare", "--history", out, "--metric", "latency_p50_ms"]
    alone = coinfer(*command)
    assert alone.exit_code == 2
    assert "holds one run of 'mine'; it takes two" in alone.stderr
    for slower in (1.01, 1.1):
        fake.slower = slower
        coinfer("run", suite_file, "-o", out, "--force")
    done = coinfer(*command)
    assert done.exit_code == 4
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert done.stdout.count("slower in 3") == 4
    series = json.loads(coinfer(*command, "--format", "json").stdout)
    assert [step["verdict"] for step in series[0]["steps"]] == ["same", "slower"]
    assert series[0]["overall"]["ratio"] == pytest.approx(1.1, rel=1e-3)
    assert coinfer(*command, "--threshold", "20%").exit_code == 0
    assert coinfer("compare", out, "--history", out).exit_code == 2
    assert coinfer("compare").exit_code == 2


def test_missing_cells_fail_only_when_asked(out, fake, suite_file, coinfer, tmp_path):
    coinfer("run", suite_file, "-o", tmp_path / "less", "-m", "nonn")
    assert coinfer("compare", out, tmp_path / "less").exit_code == 0
    failing = coinfer("compare", out, tmp_path / "less", "--fail-on", "regression,missing")
    assert failing.exit_code == 4
    assert coinfer("compare", tmp_path / "less", out).exit_code == 0


def test_another_workload_is_not_comparable(out, fake, suite_file, coinfer, tmp_path):
    suite_file.write_text(suite_file.read_text().replace("requests = 100", "requests = 50"))
    coinfer("run", suite_file, "-o", tmp_path / "other")
    done = coinfer("compare", out, tmp_path / "other")
    assert done.exit_code == 5
    assert "workload" in done.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "--base is missing; allowed: nonn, rocoin"),
        (["--base", "x"], "--base x: not in this run"),
        (["--by", "run_seed", "--base", "0"], "no axis to compare along"),
        (["--base", "nonn", "--metric", "speed"], "is no metric"),
        (["--base", "nonn", "--threshold", "lots"], "write 2% or 0.02"),
        (["--base", "nonn", "--fail-on", "rain"], "use regression, missing, inconclusive"),
    ],
)
def test_bad_options_of_compare(out, coinfer, options, expected):
    done = coinfer("compare", out, *options)
    assert done.exit_code == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_list_runs(out, coinfer):
    (row,) = json.loads(coinfer("list", "runs", "-o", out, "--format", "json").stdout)
    assert (row["suite"], row["cells"], row["done"], row["failed"]) == ("mine", 24, 24, 0)
