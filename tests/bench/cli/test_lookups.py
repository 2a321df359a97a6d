"""What can be asked without running anything, and what starting costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import coinfer_kernels

HEAVY = ("torch", "scipy", "pyarrow", "plotly", "numba", "sklearn", "networkx")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_help_imports_nothing_heavy():
    done = python(
        "import sys\nfrom coinfer.__main__ import main\nsys.argv = ['coinfer', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "compare" in done.stdout


@pytest.mark.parametrize("missing", ["typer", "rich", "msgspec"])
def test_without_the_extra_the_command_says_which_to_install(missing):
    done = python(
        f"import sys\nsys.modules[{missing!r}] = None\n"
        "from coinfer.__main__ import main\nsys.argv = ['coinfer', 'list', 'suites']\nmain()"
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("run: pip install 'coinfer[bench]'")
    assert "Traceback" not in done.stderr


def test_a_missing_package_inside_a_command_is_said_likewise():
    done = python(
        "import sys\nsys.modules['psutil'] = None\n"
        "from coinfer.__main__ import main\nsys.argv = ['coinfer', 'doctor']\nmain()"
    )
    assert done.returncode == 2
    assert "'psutil', which is not installed" in done.stderr


def test_doctor_checks_and_advises(coinfer):
    done = coinfer("doctor", "--format", "json")
    assert done.exit_code == 0
    findings = {f["check"]: f for f in json.loads(done.stdout)}
    assert {
        *("processor", "smt", "governor", "load", "affinity", "thread variables", "memory"),
        *("timer", "versions", "kernels", "compiler", "data sets"),
    } == set(findings)
    assert all(f["level"] in ("ok", "advice", "problem") for f in findings.values())
    assert all(f["advice"] for f in findings.values() if f["level"] != "ok")
    assert "processor" in coinfer("doctor").stdout


def test_doctor_advises_against_wide_thread_variables(coinfer, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    findings = json.loads(coinfer("doctor", "--format", "json").stdout)
    (threads,) = [f for f in findings if f["check"] == "thread variables"]
    assert threads["level"] == "advice"
    assert "OMP_NUM_THREADS" in threads["advice"]


def test_lists(fake, coinfer):
    suites = json.loads(coinfer("list", "suites", "--format", "json").stdout)
    assert [s["name"] for s in suites] == ["quickstart", "smoke"]
    axes = {a["axis"]: a for a in json.loads(coinfer("list", "axes", "--format", "json").stdout)}
    assert set(axes["encoding"]["values"]) == set(coinfer_kernels.info()["encodings"])
    assert "mixed-8" in axes["cluster"]["values"]
    assert axes["run_seed"]["default"] == 0
    assert "kernels" in coinfer("list", "axes").stdout
    kernels = json.loads(coinfer("list", "kernels", "--format", "json").stdout)
    assert {"native", "numba", "reference"} == {k["name"] for k in kernels}
    devices = json.loads(coinfer("list", "devices", "--format", "json").stdout)
    boards = {board.pop("name"): board for board in devices}
    assert boards["raspberry-pi-4"]["macs_per_s"] == 3.2e9
    assert all("20" in board["source"] for board in boards.values()), "a source has its year"
    datasets = json.loads(coinfer("list", "datasets", "--format", "json").stdout)
    assert "digits" in {d["name"] for d in datasets}


def test_the_version_is_printed(coinfer):
    import coinfer as package

    assert coinfer("--version").stdout.strip() == package.__version__


def test_unknown_commands_and_options_exit_2(coinfer):
    assert coinfer("dance").exit_code == 2
    assert coinfer("run").exit_code == 2
    assert coinfer("list", "colours").exit_code == 2
