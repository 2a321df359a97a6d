"""A run without models: an executor that makes records up from the cell alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from typer.testing import CliRunner

from coinfer import store
from coinfer.cli import engine
from coinfer.runtime.record import Outcome, Record

MS = 1_000_000
SUITE = """
schema = 1
name = "mine"
question = "Who is best?"
[defaults]
deadline_ms = 400
workload = { kind = "single-stream", requests = 100 }
[axes]
method = ["nonn", "rocoin"]
faults = ["none", "crash"]
run_seed = [0, 1, 2, 3, 4, 5]
[faults.crash]
events = [{ kind = "crash", on_request = 10 }]
[report.headline]
metric = "accuracy"
where = { faults = "crash" }
compare = "rocoin"
against = "nonn"
[[report.also]]
metric = "macs_per_request"
where = { faults = "none" }
compare = "rocoin"
against = "nonn"
"""


class NoParameters(msgspec.Struct, forbid_unknown_fields=True):
    pass


class FakeEngine:
    """Stands in for execution; counts what it was asked to run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fail: set[str] = set()
        self.stop_after: int | None = None
        self.stop_with: BaseException = KeyboardInterrupt()
        self.code = "1"
        self.slower = 1.0
        self.closed = False
        self.trainers = 0

    def inputs_hash(self, cell):
        return f"{self.code}:{cell.key}"

    def train(self, cells, on_progress, *, workers=1):
        self.trainers = workers
        at = {"what": "nonn", "step": 20, "steps": 20, "epoch": 1, "epochs": 1}
        at |= {"epoch_done": True, "done": True}
        on_progress(SimpleNamespace(**at, terms={"label": 0.5}, left_s=0.0))

    def check(self, cells, origin):
        return None

    def run_cells(self, cells, *, workers, timeout_s, on_progress) -> Iterator[SimpleNamespace]:
        try:
            for number, cell in enumerate(cells):
                if number == self.stop_after:
                    raise self.stop_with
                on_progress(SimpleNamespace(cell=cell, requests_done=1, requests=2, stage="run"))
                self.ran.append(cell.key)
                error = "a device burnt down" if cell.method.variant in self.fail else None
                yield SimpleNamespace(
                    cell=cell,
                    outcome=None if error else outcome(cell, self.slower),
                    notes={"groups": [["d0", "d1"]]},
                    told={"peak_memory_bytes": 1000},
                    error=error,
                    seconds=0.01,
                    prepared_s=0.004,
                    machine=None,
                )
        finally:
            self.closed = True


def outcome(cell, slower: float = 1.0) -> Outcome:
    """rocoin: 30 ms, 90 % right, twice the MACs; nonn: 20 ms, 70 % right under faults."""
    rng = random.Random(f"{cell.run_seed}{cell.method.variant}{cell.faults_name}")
    rocoin = cell.method.variant == "rocoin"
    right = 0.9 if rocoin or cell.faults_name == "none" else 0.7
    records, now = [], 0
    for request in range(cell.workload.requests):
        took = int((30 if rocoin else 20) * MS * slower * rng.uniform(0.9, 1.1))
        numbers = dict.fromkeys(Record.__struct_fields__, 0) | {
            "warm_up": False,
            "request": request,
            "label": 1,
            "prediction": int(rng.random() < right),
            "status": "ok",
            "intended_ns": now,
            "started_ns": now,
            "answered_ns": now + took,
            "first_answer_ns": None,
            "macs": 2000 if rocoin else 1000,
            "bytes_up": 100,
            "messages": 4,
        }
        records.append(msgspec.convert(numbers, Record))
        now += took
    return Outcome(tuple(records), now, {"d0": now // 2}, trace_sha256=f"t{cell.key}")


@pytest.fixture(scope="session")
def machine():
    """This machine, looked at once: it takes longer than a whole run of made-up cells."""
    return store.capture()


@pytest.fixture
def fake(monkeypatch, machine) -> FakeEngine:
    made = FakeEngine()
    types = dict.fromkeys(("nonn", "rocoin", "distree", "local-teacher"), NoParameters)
    monkeypatch.setattr(engine, "methods", lambda: types)
    monkeypatch.setattr(store, "capture", lambda: machine)
    for name in ("inputs_hash", "check", "train", "run_cells"):
        monkeypatch.setattr(engine, name, getattr(made, name))
    return made


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def coinfer():
    """Call the command in this process."""
    from coinfer.cli.app import app

    def call(*arguments: object):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return call
