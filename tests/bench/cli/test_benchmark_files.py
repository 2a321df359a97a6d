"""``coinfer compare`` and ``coinfer report`` on files of pytest-benchmark."""

from __future__ import annotations

import json
import math
import random

import pytest

MACHINE = {"machine": "x86_64", "cpu": {"brand_raw": "Some Processor"}}


def benchmark(kernel="encode int8", size=65536, backend="native", isa="avx512", **others):
    """One entry of such a file; `ns` and `memcpy` are what a call and the copy beside it take."""
    ns, memcpy = others.pop("ns", 1000), others.pop("memcpy", 800)
    rng = random.Random(f"{kernel}{size}{backend}{isa}{ns}")
    data = [1e-9 * ns * rng.uniform(0.995, 1.005) for _ in range(48)]
    info = {
        "kernel": kernel,
        "size": size,
        "backend": backend,
        "isa": isa,
        "role": "kernel",
        "memcpy_ns": [memcpy * rng.uniform(0.995, 1.005) for _ in data],
        "ratio_to_memcpy": ns / memcpy,
        "ratios": {"memcpy": ns / memcpy, "numpy": 0.25, "empty call": 20.0},
    } | others
    return {
        "name": "test_kernel",
        "fullname": f"tests/perf/test_kernels.py::test_kernel[{kernel}]",
        "extra_info": {name: value for name, value in info.items() if value is not None},
        "stats": {"median": sorted(data)[24], "data": data},
    }


@pytest.fixture
def write(tmp_path):
    def write(name, *benchmarks, machine=MACHINE):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        text = {"machine_info": machine, "benchmarks": benchmarks, "version": "5"}
        path.write_text(json.dumps(text))
        return path

    return write


def rows(done):
    return json.loads(done.stdout)


def test_a_file_against_itself_is_the_same(write, coinfer):
    base = write("base.json", benchmark())
    done = coinfer("compare", base, base, "--format", "json")
    assert done.exit_code == 0, done.output
    (row,) = rows(done)
    assert row["verdict"] == "same"
    assert row["where"] == {
        "kernel": "encode int8",
        "size": "65536",
        "backend": "native",
        "isa": "avx512",
    }


def test_a_slower_kernel_is_a_regression_and_a_faster_one_is_not(write, coinfer):
    base = write("base.json", benchmark(), benchmark("crc32c"))
    new = write("new.json", benchmark(ns=1100), benchmark("crc32c", ns=900))
    done = coinfer("compare", base, new, "--format", "json")
    assert done.exit_code == 4
    slower, faster = rows(done)
    assert (slower["verdict"], faster["verdict"]) == ("slower", "faster")
    assert slower["ratio"] == pytest.approx(1.1, rel=0.005)
    assert slower["ci_low"] < slower["ratio"] < slower["ci_high"]
    assert slower["p_adjusted"] <= 0.05
    assert coinfer("compare", base, new, "--threshold", "15%").exit_code == 0
    assert coinfer("compare", base, new, "--fail-on", "missing").exit_code == 0
    table = coinfer("compare", base, new)
    assert "new.json against base.json" in table.stdout
    markdown = coinfer("compare", base, new, "--format", "markdown", "--only-changed")
    assert len([line for line in markdown.stdout.splitlines() if line.startswith("|")]) == 4


def test_several_new_files_are_one_table_with_sentences(write, coinfer):
    base = write("base.json", benchmark())
    news = [write(f"new{n}.json", benchmark(ns=ns)) for n, ns in enumerate((1000.5, 1050))]
    done = coinfer("compare", base, *news, "--format", "json")
    assert done.exit_code == 4
    same, slower = rows(done)
    assert (same["verdict"], slower["verdict"]) == ("same", "slower")
    assert slower["p_adjusted"] == pytest.approx(2 * slower["p_value"])
    assert "new1.json is 5.0 % slower than base.json (4." in slower["sentence"]
    paper = coinfer("compare", base, *news, "--format", "latex", "--sort", "verdict")
    assert "slower" in paper.stdout.split("midrule")[1].splitlines()[1]


def test_a_slower_machine_is_not_held_against_the_kernel(write, coinfer):
    base = write("base.json", benchmark())
    new = write("new.json", benchmark(ns=1100, memcpy=960))
    done = coinfer("compare", base, new, "--format", "json")
    assert done.exit_code == 0
    (row,) = rows(done)
    assert row["verdict"] != "slower"
    assert row["threshold"] == pytest.approx(0.2, abs=0.01)
    ratio = coinfer("compare", base, new, "--metric", "ratio_to_memcpy", "--format", "json")
    assert rows(ratio)[0]["ratio"] == pytest.approx(1.1 / 1.2, abs=0.005)
    twice = write("twice.json", benchmark(ns=2000, memcpy=960))
    assert coinfer("compare", base, twice).exit_code == 4


def test_peers_are_no_rows_but_tell_what_the_machine_does(write, coinfer):
    peer = {"backend": "numba", "isa": None, "role": "peer"}
    base = write("base.json", benchmark(), benchmark(**peer))
    new = write("new.json", benchmark(ns=1100), benchmark(**peer, ns=1500))
    (row,) = rows(coinfer("compare", base, new, "--format", "json"))
    assert row["where"]["backend"] == "native"
    assert row["threshold"] > 0.3
    assert row["verdict"] != "slower"


def test_a_back_end_is_not_mistaken_for_the_peer_of_its_name(write, coinfer):
    own, peer = {"backend": "numba", "isa": None}, {"backend": "numba", "isa": None, "role": "peer"}
    base = write("base.json", benchmark(**own, ns=5000), benchmark(**peer))
    (row,) = rows(coinfer("compare", base, base, "--format", "json"))
    assert row["base_mean"] == pytest.approx(5000, rel=0.01)


def test_several_new_files_are_not_pooled(write, coinfer):
    base = write("base.json", benchmark())
    new = [write(f"{n}.json", benchmark(ns=n)) for n in (1100, 1000)]
    found = rows(coinfer("compare", base, *new, "--format", "json"))
    assert [row["new"] for row in found] == ["1100.json", "1000.json"]
    assert [row["verdict"] for row in found] == ["slower", "same"]


def test_another_machine_is_named_and_exits_5(write, coinfer):
    base = write("base.json", benchmark())
    other = MACHINE | {"cpu": {"brand_raw": "Other Processor"}}
    done = coinfer("compare", base, write("new.json", benchmark(), machine=other))
    assert done.exit_code == 5
    text = " ".join(done.stdout.split())
    assert "measured on Some Processor (x86_64) and on Other Processor (x86_64)" in text


def test_another_instruction_set_is_named_and_exits_5(write, coinfer):
    base = write("base.json", benchmark(isa="avx512"))
    done = coinfer("compare", base, write("new.json", benchmark(isa="avx2")))
    assert done.exit_code == 5
    assert "base.json ran avx512, new.json ran avx2" in done.stdout


def test_what_both_could_run_but_one_did_not_is_missing(write, coinfer):
    base = write("base.json", benchmark(isa="avx512"), benchmark(isa="avx2"))
    new = write("new.json", benchmark(isa="avx512"))
    assert coinfer("compare", base, new).exit_code == 0
    done = coinfer("compare", base, new, "--fail-on", "missing", "--format", "json")
    assert done.exit_code == 4
    assert [row["verdict"] for row in rows(done)] == ["same", "missing"]


def test_any_benchmark_can_be_compared_by_its_name(write, coinfer):
    plain = benchmark()
    plain["extra_info"] = {}
    path = write("base.json", plain)
    (row,) = rows(coinfer("compare", path, path, "--format", "json"))
    assert row["where"] == {"benchmark": plain["fullname"]}
    done = coinfer("compare", path, path, "--metric", "ratio_to_memcpy")
    assert done.exit_code == 5
    assert "no memcpy was timed beside it" in done.stdout


@pytest.mark.parametrize(
    ("content", "code", "expected"),
    [
        (None, 2, "cannot be read"),
        ("{", 5, "no file of pytest-benchmark"),
        ('{"cells": []}', 5, "no file of pytest-benchmark"),
        (
            '{"machine_info": {}, "benchmarks": [{"fullname": "a", "stats": {"median": 1}}]}',
            5,
            "a has no rounds; write the file with --benchmark-json",
        ),
    ],
)
def test_a_wrong_file_is_one_line_and_an_exit_code(
    write, coinfer, tmp_path, content, code, expected
):
    wrong = tmp_path / "wrong.json"
    if content is not None:
        wrong.write_text(content)
    for command in (("compare", write("base.json", benchmark()), wrong), ("report", wrong)):
        done = coinfer(*command)
        assert done.exit_code == code
        assert expected in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["base.json"], "compared between files"),
        (["base.json", "base.json", "--by", "method"], "compared between files"),
        (["base.json", "runs"], "is a run, the others are benchmarks"),
        (["base.json", "base.json", "--metric", "accuracy"], "allowed: time_ns, ratio_to_memcpy, "),
    ],
)
def test_bad_options(write, coinfer, tmp_path, monkeypatch, arguments, expected):
    write("base.json", benchmark())
    monkeypatch.chdir(tmp_path)
    done = coinfer("compare", *arguments)
    assert done.exit_code == 2
    assert expected in done.stderr


def test_the_report_holds_targets_against_what_was_measured(write, coinfer):
    path = write(
        "kernels.json",
        benchmark(target={"of": "memcpy", "at_most": 1.15}),
        benchmark(isa="avx2", ns=1600, target={"of": "memcpy", "at_most": 1.15}),
        benchmark("crc32c", ns=1000, target={"of": "memcpy", "at_most": 1.0}),
        machine=MACHINE | {"kernels": {"backend": "native", "isa": "avx512"}},
    )
    done = coinfer("report", path)
    assert done.exit_code == 0, done.output
    assert "native avx512 on Some Processor (x86_64)" in done.stdout
    assert "numpy 0.25" in done.stdout
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if "≤" in line}
    assert lines["encode"].split()[-3:] == ["1.25", "2", "ok"]
    assert lines["crc32c"].split()[-2:] == ["missed,", "+25%"]
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.fixture
def in_turns(write, tmp_path):
    """Folders of files from a machine that is now slow and now fast, for all that is in a file."""

    def made(base_ns, new_ns, files=12, peers=("numba",)):
        rng = random.Random(7)
        for name, ns in (("base", base_ns), ("new", new_ns)):
            for number in range(files):
                speed = math.exp(rng.gauss(0, 0.2))
                own = benchmark(
                    ns=ns * speed,
                    memcpy=800 * speed,
                    best_peer=rng.choice(peers),
                    best_peer_ns=[1000 * speed] * 48,
                )
                peer = {"backend": "numba", "isa": None, "role": "peer"}
                rival = benchmark(**peer, ns=1000 * speed, memcpy=800 * speed)
                write(f"{name}/{number:02}.json", own, rival)
        return tmp_path / "base", tmp_path / "new"

    return made


BESIDE_A_PEER = ("--metric", "ratio_to_best_peer")


def test_files_written_in_turns_are_pairs_of_which_the_peers_take_the_machine_out(
    in_turns, coinfer
):
    folders = in_turns(1000, 1050)
    (time,) = rows(coinfer("compare", *folders, "--format", "json"))
    assert (time["verdict"], time["pairs"]) == ("inconclusive", 12)
    done = coinfer("compare", *folders, *BESIDE_A_PEER, "--format", "json")
    assert done.exit_code == 4
    (row,) = rows(done)
    assert (row["verdict"], row["pairs"], row["reason"]) == ("slower", 12, None)
    assert row["ratio"] == pytest.approx(1.05, abs=0.002)


def test_what_is_equal_on_an_unsteady_machine_is_not_called_slower(in_turns, coinfer):
    folders = in_turns(1000, 1000)
    (time,) = rows(coinfer("compare", *folders, "--format", "json"))
    assert time["verdict"] != "slower"
    (row,) = rows(coinfer("compare", *folders, *BESIDE_A_PEER, "--format", "json"))
    assert row["verdict"] == "same"


def test_one_file_a_side_cannot_tell_how_far_a_ratio_to_a_peer_is_from_itself(in_turns, coinfer):
    base, new = in_turns(1000, 1000, files=1)
    done = coinfer("compare", base / "00.json", new / "00.json", *BESIDE_A_PEER)
    assert done.exit_code == 5
    assert "one file a side is too little" in done.stdout


def test_files_without_a_partner_or_held_against_another_peer_are_left_out(in_turns, coinfer):
    base, new = in_turns(1000, 1050, files=40, peers=("numba", "torch"))
    (new / "39.json").unlink()
    (row,) = rows(coinfer("compare", base, new, *BESIDE_A_PEER, "--format", "json"))
    peers = [
        [
            json.loads((side / f"{n:02}.json").read_text())["benchmarks"][0]["extra_info"]
            for side in (base, new)
        ]
        for n in range(39)
    ]
    alike = sum(old["best_peer"] == young["best_peer"] for old, young in peers)
    assert 6 < alike < 39
    assert row["pairs"] == alike
    assert row["reason"].startswith(f"{40 - alike} of 40 files have no partner")


def test_a_run_is_no_folder_of_benchmarks(in_turns, write, coinfer, tmp_path):
    base, _ = in_turns(1000, 1000, files=1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    done = coinfer("compare", base, tmp_path / "run")
    assert done.exit_code == 2
    assert "is a run, the others are benchmarks" in done.stderr
