"""Cells on the workers of a real Dask scheduler: three processes, and what is lost with one."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import cloudpickle
import dask
import pytest
from distributed import Client, LocalCluster

import coinfer
from coinfer.cli.view import QuietView
from coinfer.errors import ExecutionError, UsageError
from coinfer.execute.dask import dask_executor
from coinfer.execute.dask.crew import MACHINE, Crew
from coinfer.execute.dask.dispatch import dispatch
from coinfer.execute.dask.foundation import foundation
from coinfer.execute.dask.lots import Lot, lots
from coinfer.execute.dask.station import Post
from coinfer.execute.worker import Progress
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite
from coinfer.training import Zoo

# Workers that are processes of a busy machine take their time to come up.
pytestmark = pytest.mark.timeout(900)
AXES = {"method": ["local-teacher", "nonn"], "run_seed": [0, 1]}


@pytest.fixture(scope="module")
def worker_zoo(tmp_path_factory):
    """Not that of this process: what workers need has to be sent."""
    return tmp_path_factory.mktemp("worker-zoo")


@pytest.fixture(scope="module")
def cluster(worker_zoo):
    with LocalCluster(
        n_workers=3,
        threads_per_worker=1,
        resources={MACHINE: 1},
        host="127.0.0.1",
        dashboard_address=None,
        env={"COINFER_ZOO": str(worker_zoo)},
    ) as made:
        yield made


class Killing(QuietView):
    """Kills two of the workers that are at work when the first cell has ended."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.killed = []
        self.ended = Counter()

    def finished(self, stored, _seconds):
        self.ended[stored.cell.key] += 1
        if len(self.ended) == 1:
            with Client(self._cluster.scheduler_address, set_as_default=False) as client:
                pids = client.run(os.getpid)
                busy = [address for address, keys in client.processing().items() if keys]
            self.killed = [pids[address] for address in busy[:2]]
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


def cell_bytes(run: Path) -> dict[str, bytes]:
    cells = run / "cells"
    return {str(p.relative_to(cells)): p.read_bytes() for p in cells.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_workers_killed_in_the_middle_change_nothing(cluster, tmp_path, monkeypatch):
    """To the byte what one machine gives; no cell is lost, and none that was done is done again."""
    here = coinfer.run("smoke", axes=AXES, output=tmp_path / "here", progress=False)
    address, views = cluster.scheduler_address, []

    def viewed(*_, **__):
        views.append(Killing(cluster))
        return views[-1]

    monkeypatch.setattr("coinfer.cli.perform.view_for", viewed)
    options = {"axes": AXES, "output": tmp_path / "there", "scheduler": address}
    there = coinfer.run("smoke", progress=False, **options)
    assert views[0].killed
    assert cell_bytes(there.path) == cell_bytes(here.path)
    assert set(views[0].ended.values()) == {1}
    noted = [json.loads(line) for line in (there.path / "timings.jsonl").read_text().splitlines()]
    assert Counter(line["cell"] for line in noted) == views[0].ended
    assert {line["machine"] for line in noted} == {os.uname().nodename}
    again = coinfer.run("smoke", progress=False, **options)
    assert again.path == there.path
    assert not views[1].ended, "what is done stays done"


@pytest.mark.slow
def test_a_model_is_trained_on_a_worker_and_weights_go_where_they_lack(
    cluster, worker_zoo, tmp_path, monkeypatch
):
    monkeypatch.setenv("COINFER_ZOO", str(tmp_path))
    monkeypatch.setattr("coinfer.execute.prepare._PREPARED", {})
    asked = {"method": ["local-teacher"], "train_seed": [1], "run_seed": [0], "faults": ["none"]}
    cells = expand(load_suite("smoke"), parameter_types(), asked)
    told = []
    with dask_executor(cluster.scheduler_address, cells, print) as executor:
        executor.train(cells, told.append)
        assert any(at.what.startswith("teacher") for at in told)
        trained = {a.address: a.weights_sha256 for a in Zoo(worker_zoo, worker_zoo).ls()}
        here = {a.address: a.weights_sha256 for a in Zoo(tmp_path, tmp_path).ls()}
        assert here
        assert here.items() <= trained.items()
        for path in worker_zoo.glob("*.*"):
            path.unlink()
        told.clear()
        executor.train(cells, told.append)
        assert not told, "nothing is trained twice"
    assert here.items() <= {a.address: a.weights_sha256 for a in Zoo(worker_zoo).ls()}.items()


@pytest.mark.slow
def test_workers_that_would_do_something_else_are_refused_in_a_line(cluster):
    said = []
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        with pytest.raises(UsageError, match=r"has no worker that can be used: .* another code"):
            Crew(client, {"code": "of another version"}, exclusive=False, say=said.append)
        workers = len(client.nthreads())
        assert len(said) == workers
        said.clear()
        crew = Crew(client, foundation((), prepared=False), exclusive=True, say=said.append)
        assert crew.workers == 1, "cells that are timed have a machine for themselves"
        assert [line for line in said if "is on the same machine" in line] == said
        assert len(said) == workers - 1


def in_threads(**options):
    """Workers in this process."""
    return LocalCluster(processes=False, dashboard_address=None, **options)


def test_who_joins_late_is_looked_at_too_and_who_leaves_is_missed():
    said = []
    with (
        in_threads(n_workers=1, resources={MACHINE: 1}) as threads,
        Client(threads, set_as_default=False) as client,
    ):
        crew = Crew(client, foundation((), prepared=False), exclusive=False, say=said.append)
        before = crew.workers
        threads.scale(2)
        client.wait_for_workers(2, timeout=60)
        crew.refresh()
        assert crew.workers == 2 * before
        threads.new_spec["options"] = {**threads.new_spec["options"], "resources": {}}
        threads.scale(3)
        client.wait_for_workers(3, timeout=60)
        crew.refresh()
        assert crew.workers == 2 * before
        assert [" joined" in line for line in said] == [True, False]
        assert "offers no resource 'machine'; start it with" in said[1]
        client.retire_workers(names=[1])
        crew.refresh()
        assert "is gone; 1 left" in said[2]


def taking_turns(order, folder):
    """Stands in for cells: says when it began and ended."""
    began = time.monotonic_ns()
    time.sleep(0.1)
    line = json.dumps([order.cells[0].mode, began, time.monotonic_ns()])
    (Path(folder) / order.number).write_text(line)
    return True


def test_cells_that_are_timed_have_the_machine_for_themselves(tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    timed = {"mode": ["native"], "encoding": ["int8", "raw"], "run_seed": [0]}
    suite = load_suite("smoke")
    cells = [
        *expand(suite, parameter_types(), AXES),
        *expand(suite, parameter_types(), AXES | timed),
    ]
    waiting = lots(cells, workers=8)
    with (
        in_threads(n_workers=1, threads_per_worker=3, resources={MACHINE: 1}) as threads,
        Client(threads, set_as_default=False) as client,
    ):
        crew = Crew(client, foundation((), prepared=False), exclusive=True, say=print)
        assert not [*dispatch(client, crew, waiting, taking_turns, None, str(tmp_path))]
    spans = [json.loads(path.read_text()) for path in tmp_path.iterdir()]
    assert Counter(mode for mode, _, _ in spans) == {"virtual": 8, "native": 4}
    for number, (mode, begin, end) in enumerate(spans):
        others = spans[:number] + spans[number + 1 :]
        if mode == "native":
            assert not [o for o in others if o[1] < end and begin < o[2]]


def never_ending(order):
    """Stands in for cells: does not come to an end by itself."""
    post = Post(order)
    while True:
        post.progress(Progress(order.cells[0], 0, 1, "running"))
        time.sleep(0.01)


def test_a_scheduler_that_ends_is_one_line():
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    cells = expand(load_suite("smoke"), parameter_types(), AXES)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        in_threads(n_workers=1, resources={MACHINE: 1}) as threads,
        Client(threads, set_as_default=False) as client,
    ):
        crew = Crew(client, foundation((), prepared=False), exclusive=False, say=print)
        underway = dispatch(client, crew, [Lot([*cells])], never_ending, None)
        assert next(underway)[1].stage == "running"
        threads.sync(threads.scheduler.close)
        with pytest.raises(ExecutionError, match="the Dask scheduler is gone; what is done"):
            list(underway)


def test_every_cell_is_in_one_lot_and_what_is_compared_stays_together():
    suite, types = load_suite("smoke"), parameter_types()
    virtual = expand(suite, types)
    timed = expand(suite, types, {"mode": ["native"], "encoding": ["int8", "raw"]})
    for workers in (1, 3, 16, 100):
        made = lots([*virtual, *timed], workers)
        shared = [cell.key for lot in made for cell in lot.cells]
        assert Counter(shared) == Counter(cell.key for cell in (*virtual, *timed))
        packed = [lot for lot in made if not lot.exclusive]
        assert len(packed) >= min(workers, len(virtual)) or workers <= 4
        assert all(len({cell.method.variant for cell in lot.cells}) == 1 for lot in packed)
    alone = [lot.cells for lot in made if lot.exclusive]
    settings = [{(cell.encoding, cell.faults_name) for cell in cells} for cells in alone]
    assert sorted(map(len, settings)) == [1, 1, 1, 1]
    assert all(len({cell.method.variant for cell in cells}) == 4 for cells in alone)
