"""Runs from Python: the same results as from the command line, as data frames."""

from __future__ import annotations

import subprocess
import sys

import pytest

import coinfer
from coinfer.errors import SuiteError, UsageError


def test_a_run_from_python_is_a_run(fake, suite_file, tmp_path, capfd):
    out = tmp_path / "out"
    axes = {"method": ["nonn", "rocoin"], "run_seed": range(2), "faults": "none"}
    run = coinfer.run(suite_file, axes=axes, output=out, progress=False)
    assert capfd.readouterr() == ("", "")
    assert len(fake.ran) == 4
    assert run.question == "Who is best?"
    assert run.failed == {}
    cells = run.cells.set_index(["method", "run_seed"])
    assert cells.loc[("rocoin", 1), "macs_per_request"] == 2000
    assert len(run.records) == 4 * 100
    assert repr(run) == f"<run {run.path}: 4 of 4 cells>"

    again = coinfer.run(suite_file, axes=axes, output=out, progress=False)
    assert again.path == run.path
    assert len(fake.ran) == 4  # all of it was done
    anew = coinfer.run(suite_file, axes=axes, output=out, progress=False, force=True)
    assert anew.path != run.path
    assert set(anew.against(run)["verdict"]) == {"same"}
    assert coinfer.load(out).path == anew.path


def test_it_tells_of_failures_and_goes_on(fake, suite_file, tmp_path, capfd):
    fake.fail = {"nonn"}
    run = coinfer.run(suite_file, axes={"run_seed": 0}, output=tmp_path / "out")
    assert set(run.failed.values()) == {"a device burnt down"}
    assert capfd.readouterr().err
    assert run.cells["accuracy"].isna().sum() == 2


def test_comparisons_are_those_of_the_command_line(fake, suite_file, tmp_path):
    run = coinfer.run(suite_file, output=tmp_path / "out", progress=False)
    rows = run.compare("nonn", metrics=["latency_p50_ms", "accuracy"])
    latency = rows[rows["metric"] == "latency_p50_ms"]
    assert set(latency["verdict"]) == {"slower"}
    assert latency["ratio"].mean() == pytest.approx(1.5, rel=0.05)
    assert latency["sentence"].str.contains(r"rocoin answers 1\.50?× slower").all()
    assert set(rows["faults"]) == {"none", "crash"}


def test_mistakes_raise_before_anything_is_written(fake, suite_file, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(SuiteError, match="no such file"):
        coinfer.run("quikstart", output=out)
    with pytest.raises(SuiteError):
        coinfer.run(suite_file, axes={"colour": ["red"]}, output=out)
    with pytest.raises(UsageError, match="does not exist"):
        coinfer.load(out)
    assert not out.exists()


def test_without_pandas_it_says_what_to_install(fake, suite_file, tmp_path, monkeypatch):
    run = coinfer.run(suite_file, output=tmp_path / "out", progress=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'coinfer\[frames\]'"):
        _ = run.cells


def test_importing_coinfer_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import coinfer; coinfer.load; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "pandas", "numpy", "pyarrow", "rich", "typer", "scipy", "msgspec"}
    assert not heavy & set(done.stdout.split())
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = coinfer.laod
