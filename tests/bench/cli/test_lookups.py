"""What can be asked without running anything, and what starting costs."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

import coinfer_kernels
from coinfer.cli import engine
from coinfer.cluster.cost_table import CostTable, StageCost, load_cost_table
from coinfer.suite import shipped_suites

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


def test_stored_models_are_a_line_each_and_json_has_all_of_them(coinfer):
    whole = json.loads(coinfer("zoo", "ls", "--format", "json").stdout)
    told = coinfer("zoo", "ls").stdout
    shipped = [row for row in whole if row["record"].get("validation_accuracy")]
    assert shipped
    for row in shipped:
        accuracy = row["record"]["validation_accuracy"]
        deepest = accuracy if isinstance(accuracy, float) else accuracy[-1]
        (line,) = [line for line in told.splitlines() if row["address"][:12] in line]
        assert f"{100 * deepest:.1f} %" in line
        assert row["weights_sha256"] not in told


def test_lists(fake, coinfer):
    suites = json.loads(coinfer("list", "suites", "--format", "json").stdout)
    assert [s["name"] for s in suites] == list(shipped_suites())
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
    clusters = json.loads(coinfer("list", "clusters", "--format", "json").stdout)
    found = {cluster["name"]: cluster for cluster in clusters}
    assert found["rocoin-8"]["devices"][0] == "2.50 M MAC/s"
    assert "arXiv 2406.14185" in found["rocoin-8"]["source"]
    assert found["pi-4"]["devices"][0] == "raspberry-pi-3"
    datasets = json.loads(coinfer("list", "datasets", "--format", "json").stdout)
    assert "digits" in {d["name"] for d in datasets}


def test_calibrate_measures_the_stages_of_a_suite_and_says_how_to_use_the_table(
    fake, coinfer, suite_file, monkeypatch, tmp_path
):
    stages = {"0a1b": StageCost("m:student", 1000, 2500.0, 0.04)}
    table = msgspec.structs.replace(load_cost_table(), torch="9.9", stages=stages)
    asked = []

    def calibrate(path, cells):
        asked.append((path, len(cells)))
        return table

    monkeypatch.setattr(engine, "calibrate", calibrate)
    output = tmp_path / "table.json"
    done = coinfer("calibrate", "--suite", str(suite_file), "-o", str(output))
    assert done.exit_code == 0
    assert asked == [(output, 24)]
    assert f"COINFER_COST_TABLE={output}" in done.stdout
    for told in ("m:student", "2500.0", "encode:int8", table.measured, "torch 9.9"):
        assert told in done.stdout
    plain = json.loads(coinfer("calibrate", "--format", "json").stdout)
    assert asked[1] == (None, 0)
    assert msgspec.convert(plain, CostTable) == table


def test_the_version_is_printed(coinfer):
    import coinfer as package

    assert coinfer("--version").stdout.strip() == package.__version__


def test_unknown_commands_and_options_exit_2(coinfer):
    assert coinfer("dance").exit_code == 2
    assert coinfer("run").exit_code == 2
    assert coinfer("list", "colours").exit_code == 2
