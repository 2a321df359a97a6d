"""Running cells on this machine: results depend on the cell alone, failures are data."""

from __future__ import annotations

from multiprocessing import active_children

import msgspec
import psutil
import pytest

from coinfer.errors import UsageError
from coinfer.execute import check, inputs_hash, run_cells
from coinfer.methods import parameter_types, registry
from coinfer.suite import expand, load_suite
from coinfer_kernels import backend
from coinfer_kernels.errors import BackendError


@pytest.fixture(scope="module")
def cells():
    overrides = {"method": ["local-teacher", "rocoin"], "run_seed": [0, 1]}
    return expand(load_suite("smoke"), parameter_types(), overrides)


def collect(cells, workers, timeout_s=None, progress=None):
    seen = progress if progress is not None else []
    finished = run_cells(cells, workers=workers, timeout_s=timeout_s, on_progress=seen.append)
    return {one.cell.key: one for one in finished}


def test_results_do_not_depend_on_the_number_of_workers(cells):
    one, two = collect(cells, 1), collect(cells[::-1], 2)
    assert one.keys() == two.keys() == {cell.key for cell in cells}
    for key, finished in one.items():
        assert finished.error is None
        assert finished.outcome == two[key].outcome
        assert finished.outcome.trace_sha256 is not None
    traces = [finished.outcome.trace_sha256 for finished in one.values()]
    assert len(set(traces)) == len(cells), "every cell is another run"


PLUGIN = """
import signal, subprocess, time
from dataclasses import replace
from pathlib import Path
from coinfer.methods.local_teacher import LocalTeacher, OneAnswer

class Sleepy(OneAnswer):
    def on_arrival(self, arrival, ctx):
        # In a session of its own, and by way of a shell that ends: no child of anyone here.
        command = ["sh", "-c", "sleep 1000 >/dev/null & echo $!"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, start_new_session=True)
        with Path({pids!r}).open("ab") as file:
            file.write(ran.stdout)
        if self.deaf:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1000)

class Listening(LocalTeacher):
    deaf = False
    def deploy(self, plan, profile, cluster):
        kind = type("_Sleepy", (Sleepy,), dict(deaf=self.deaf))
        return replace(super().deploy(plan, profile, cluster),
                       fusion=lambda job: kind(job, plan.device))

class Deaf(Listening):
    deaf = True
"""


@pytest.mark.slow
def test_a_time_limit_ends_all_that_a_method_started(tmp_path, monkeypatch):
    """Whether the worker hears of the limit or not; the cell that comes next is not disturbed."""
    info = tmp_path / "sleepers-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sleepers\nVersion: 1\n")
    points = "listening = sleepers:Listening\ndeaf = sleepers:Deaf\n"
    (info / "entry_points.txt").write_text(f"[coinfer.methods]\n{points}")
    pids = tmp_path / "pids"
    (tmp_path / "sleepers.py").write_text(PLUGIN.replace("{pids!r}", repr(str(pids))))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_points", registry._points.__wrapped__)
    names = ["listening", "deaf", "local-teacher"]
    overrides = {"method": names, "run_seed": [0], "faults": ["none"]}
    sleepers = expand(load_suite("smoke"), parameter_types(), overrides)
    (undisturbed,) = collect(sleepers[2:], 1).values()
    limit_s = 3 + 4 * round(undisturbed.seconds)
    done = {key.split(",")[0]: one for key, one in collect(sleepers, 1, limit_s).items()}
    for name in ("deaf", "listening"):
        assert f"longer than {limit_s:g} s" in done[f"method={name}"].error
    assert done["method=local-teacher"].error is None
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert not [pid for pid in started if psutil.pid_exists(pid) and is_running(pid)]


def is_running(pid: int) -> bool:
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_worker_that_dies_takes_no_other_cell_along(cells, monkeypatch):
    seen = []

    def kill_once(progress):
        if not seen:
            seen.append(progress.cell.key)
            (worker,) = [p for p in active_children() if p.name == "coinfer worker"]
            worker.kill()

    finished = {
        one.cell.key: one
        for one in run_cells(cells[:2], workers=1, timeout_s=None, on_progress=kill_once)
    }
    (victim,) = seen
    assert finished.pop(victim).error == "the worker ended with exit code -9"
    assert [one.error for one in finished.values()] == [None]


def test_a_broken_cell_is_an_error_of_that_cell_alone(cells):
    parameters = {**cells[0].method.parameters, "recipe": "nonsense"}
    choice = msgspec.structs.replace(cells[0].method, parameters=parameters)
    broken = msgspec.structs.replace(cells[0], key="broken", method=choice)
    finished = collect([broken, cells[1]], 1)
    assert "nonsense" in finished["broken"].error
    assert finished[cells[1].key].error is None


def test_progress_is_told(cells):
    seen = []
    collect(cells[:1], 1, progress=seen)
    assert {p.cell.key for p in seen} == {cells[0].key}
    assert all(0 <= p.requests_done <= p.requests for p in seen)


def test_the_inputs_hash_knows_what_a_result_depends_on(cells):
    cell = cells[0]
    assert inputs_hash(cell) == inputs_hash(msgspec.structs.replace(cell))
    shared = msgspec.structs.replace(cell.cluster, medium="shared")
    others = [
        msgspec.structs.replace(cell, run_seed=9),
        msgspec.structs.replace(cell, encoding="raw"),
        msgspec.structs.replace(cell, deadline_ms=399.0),
        msgspec.structs.replace(cell, cluster=shared),
    ]
    hashes = {inputs_hash(cell), *(inputs_hash(other) for other in others)}
    assert len(hashes) == 5


def test_the_inputs_hash_knows_the_code_of_a_plug_in(cells, tmp_path, monkeypatch):
    """A method from outside the package changes its results by an edit of its own file."""
    file = tmp_path / "plugged_teacher.py"
    code = "from coinfer.methods.local_teacher import LocalTeacher\nclass Mine(LocalTeacher): ...\n"
    file.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    from plugged_teacher import Mine

    before = inputs_hash(cells[0])
    for room in ("profiles", "inputs"):
        monkeypatch.setattr(f"coinfer.execute.{room}.method", lambda name: Mine)
    plugged = inputs_hash(cells[0])
    file.write_text(code + "# another release\n")
    assert len({before, plugged, inputs_hash(cells[0])}) == 3


def test_a_virtual_cell_changes_with_the_kernels_of_the_environment(cells, monkeypatch):
    monkeypatch.setenv("COINFER_KERNELS", "reference")
    overrides = {"method": ["local-teacher"], "run_seed": [0], "faults": ["none"]}
    (slow_cell,) = expand(load_suite("smoke"), parameter_types(), overrides)
    monkeypatch.delenv("COINFER_KERNELS")
    (fast_cell,) = expand(load_suite("smoke"), parameter_types(), overrides)
    done = collect([slow_cell, fast_cell], 1)
    slow, fast = done[slow_cell.key].outcome.records, done[fast_cell.key].outcome.records
    assert [r.prediction for r in slow] == [r.prediction for r in fast]
    for a, b in zip(slow, fast, strict=True):
        assert a.serialise_ns > b.serialise_ns
        assert a.decide_ns > b.decide_ns
        assert a.answered_ns - a.intended_ns > b.answered_ns - b.intended_ns


def test_kernels_that_do_not_work_here_are_refused_before_anything_runs(cells, monkeypatch):
    def broken(name):
        raise BackendError(f"{name} is not built")

    monkeypatch.setattr(backend, "load", broken)
    with pytest.raises(UsageError, match=r"kernels = 'native': native is not built; what works"):
        check(cells[0])
