"""What doctor says of machines that are not as they should be; nothing is changed anywhere."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

import coinfer_datasets
from coinfer.cli import checks
from coinfer.cluster.cost_table import load_cost_table
from coinfer.runtime import rapl


def test_doctor_checks_and_advises(coinfer):
    done = coinfer("doctor", "--format", "json")
    assert done.exit_code == 0
    findings = {f["check"]: f for f in json.loads(done.stdout)}
    assert list(findings) == list(checks._CHECKS)
    assert all(f["level"] in ("ok", "advice", "problem") for f in findings.values())
    assert all(f["advice"] for f in findings.values() if f["level"] != "ok")
    assert "processor" in coinfer("doctor").stdout


def test_doctor_advises_against_wide_thread_variables(coinfer, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    findings = json.loads(coinfer("doctor", "--format", "json").stdout)
    (threads,) = [f for f in findings if f["check"] == "thread variables"]
    assert threads["level"] == "advice"
    assert "OMP_NUM_THREADS" in threads["advice"]


@pytest.fixture
def use_table(monkeypatch, tmp_path, machine):
    """Put a table of this machine in use, with some of it changed."""
    table = msgspec.structs.replace(
        load_cost_table(),
        machine=machine.identity["cpu"],
        isa=machine.identity["kernels"]["isa"],
        torch=machine.identity["torch"],
        measured=datetime.now(UTC).date().isoformat(),
    )

    def use(**changed):
        changed_table = msgspec.structs.replace(table, **changed)
        (tmp_path / "table.json").write_bytes(msgspec.json.encode(changed_table))
        monkeypatch.setenv("COINFER_COST_TABLE", str(tmp_path / "table.json"))
        load_cost_table.cache_clear()

    yield use
    load_cost_table.cache_clear()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"measured": "2020-01-01"}, "more than 30 days old"),
        ({"measured": "long ago"}, "more than 30 days old"),
        ({"machine": "an abacus"}, "of another processor"),
        ({"isa": "sse0"}, "of another instruction set"),
        ({"torch": "0.1"}, "of another torch"),
    ],
)
def test_doctor_tells_the_age_and_the_origin_of_the_cost_table(
    use_table, monkeypatch, machine, changed, reason
):
    monkeypatch.setattr(checks, "capture", lambda: machine)
    use_table(**changed)
    (finding,) = [f for f in checks.examine() if f.check == "cost table"]
    assert finding.level == ("advice" if reason else "ok")
    assert (reason or "(0 days ago)") in finding.found
    assert bool(reason) == ("coinfer calibrate" in finding.advice)


@pytest.mark.parametrize(
    ("problem", "level"),
    [(None, "ok"), ("no counters of packages", "ok"), ("[Errno 13] Permission denied", "advice")],
)
def test_doctor_says_whether_energy_counters_can_be_read(monkeypatch, machine, problem, level):
    counters = SimpleNamespace(problem=problem, zones=("package-0",))
    monkeypatch.setattr(rapl, "Rapl", lambda: counters)
    monkeypatch.setattr(checks, "capture", lambda: machine)
    (finding,) = [f for f in checks.examine() if f.check == "energy counters"]
    assert finding.level == level
    assert (problem or "package-0") in finding.found


@pytest.fixture
def found(monkeypatch, machine):
    """Finding of a check on this machine with some of its identity and readings changed."""

    def look(check, **changed):
        identity = machine.identity | {k: v for k, v in changed.items() if k in machine.identity}
        readings = machine.readings | {k: v for k, v in changed.items() if k in machine.readings}
        assert changed.keys() <= identity.keys() | readings.keys()
        other = msgspec.structs.replace(machine, identity=identity, readings=readings)
        monkeypatch.setattr(checks, "capture", lambda: other)
        (finding,) = [f for f in checks.examine() if f.check == check]
        assert bool(finding.advice) == (finding.level != "ok")
        return finding

    return look


KERNELS = {"backend": "native", "isa": "avx2", "backends": {"native": "available"}}


@pytest.mark.parametrize(
    ("check", "changed", "level", "word"),
    [
        ("smt", {"cores_logical": 8, "cores_physical": 4}, "advice", "8 logical cores on 4"),
        ("smt", {"cores_logical": 4, "cores_physical": 4}, "ok", "no two"),
        ("smt", {"cores_physical": None}, "ok", "no two"),
        ("governor", {"governor": "powersave"}, "advice", "powersave"),
        ("governor", {"governor": "performance"}, "ok", "performance"),
        ("governor", {"governor": None}, "ok", "not visible"),
        ("load", {"cores_logical": 4, "load_1min": 1.2}, "ok", "1.20"),
        ("load", {"cores_logical": 4, "load_1min": 1.3}, "advice", "1.30"),
        ("memory", {"memory_available_bytes": 999_999_999}, "advice", "1.0 GB"),
        ("memory", {"memory_available_bytes": 1_000_000_000}, "ok", "1.0 GB"),
        ("thread variables", {"threads": {"OMP_NUM_THREADS": None}}, "ok", "none set"),
        ("thread variables", {"threads": {"MKL_NUM_THREADS": "2"}}, "advice", "MKL_NUM_THREADS"),
        ("versions", {"packages": {"torch": "2.13", "rich": None}}, "problem", "torch 2.13"),
        ("versions", {"packages": {"torch": "2.13"}}, "ok", "torch 2.13"),
        ("kernels", {"kernels": {"error": "no module"}}, "problem", "no module"),
        (
            "kernels",
            {"kernels": KERNELS | {"backends": {"native": "version 1 is older than 2"}}},
            "problem",
            "older than",
        ),
    ],
)
def test_each_check_has_its_limit(found, check, changed, level, word):
    finding = found(check, **changed)
    assert finding.level == level
    assert word in finding.found


def test_back_ends_that_are_lacking_are_named_with_the_reason(found, monkeypatch):
    monkeypatch.setattr(checks, "_newer_sources", lambda: None)
    assert found("kernels", kernels=KERNELS).level == "ok"
    lacking = KERNELS | {"backends": {"native": "available", "numba": "not installed"}}
    assert found("kernels", kernels=lacking).advice == "numba: not installed"


def test_sources_that_are_newer_than_the_extension_are_named(found, monkeypatch, tmp_path):
    built, source = tmp_path / "kernels" / "pkg" / "_native.so", tmp_path / "csrc" / "encode.cpp"
    for file, seconds in ((built, 100), (source, 50)):
        file.parent.mkdir(parents=True)
        file.touch()
        os.utime(file, (seconds, seconds))

    class Spec:
        origin = str(built)

    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda _name: Spec)
    assert found("kernels", kernels=KERNELS).level == "ok"
    os.utime(source, (150, 150))
    finding = found("kernels", kernels=KERNELS)
    assert finding.level == "advice"
    assert "csrc/encode.cpp is newer" in finding.found


@pytest.mark.parametrize(
    ("name", "text", "level", "word"),
    [
        ("_NO_TURBO", "0", "advice", "echo 1"),
        ("_NO_TURBO", "1", "ok", ""),
        ("_BOOST", "1", "advice", "echo 0"),
        ("_BOOST", "0", "ok", ""),
        (None, "", "ok", ""),
    ],
)
def test_turbo_is_read_the_way_either_driver_tells_it(
    found, monkeypatch, tmp_path, name, text, level, word
):
    for each in ("_NO_TURBO", "_BOOST"):
        monkeypatch.setattr(checks, each, tmp_path / each)
    if name is not None:
        (tmp_path / name).write_text(text + "\n")
    finding = found("turbo")
    assert finding.level == level
    assert word in finding.advice


def test_cores_that_may_not_be_used_are_told(found, monkeypatch):
    monkeypatch.setattr(checks, "affinity", lambda: [1, 3])
    finding = found("affinity", cores_logical=4)
    assert (finding.level, finding.found) == ("advice", "2 of 4 cores may be used: [1, 3]")
    assert found("affinity", cores_logical=2).level == "ok"


def test_sleeps_that_end_late_are_told(found, monkeypatch):
    monkeypatch.setattr(checks, "_late_us", lambda: 1001.0)
    assert found("timer").level == "advice"
    monkeypatch.setattr(checks, "_late_us", lambda: 60.0)
    assert found("timer").level == "ok"


def test_a_missing_compiler_is_no_problem_but_told(found, monkeypatch):
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    assert found("compiler").level == "advice"
    monkeypatch.setattr(checks.shutil, "which", lambda name: name if name == "clang++" else None)
    assert found("compiler").found == "clang++"


def test_only_the_data_set_that_suites_need_is_missed(found, monkeypatch):
    def rows(**there):
        return [{"name": name, "found": has, "where": "/data"} for name, has in there.items()]

    monkeypatch.setattr(coinfer_datasets, "available", lambda: rows(digits=True, cifar=False))
    assert found("data sets").level == "ok"
    lacking = [*rows(digits=True), {"name": "fashion-mnist", "found": False, "where": ""}]
    monkeypatch.setattr(coinfer_datasets, "available", lambda: lacking)
    finding = found("data sets")
    assert finding.level == "advice"
    assert "fashion-mnist" in finding.advice


def test_a_check_that_cannot_look_says_so_and_the_others_still_do(found, monkeypatch):
    def broken():
        raise OSError("no such table")

    monkeypatch.setattr(coinfer_datasets, "available", broken)
    finding = found("data sets")
    assert finding.level == "advice"
    assert finding.found == "could not look: no such table"
