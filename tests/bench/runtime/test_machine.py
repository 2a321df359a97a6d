"""Density and threads: what a run is refused or warned for."""

from __future__ import annotations

import hashlib
import threading

import pytest

from coinfer.errors import ExecutionError
from coinfer.runtime.realtime import machine, threads

SAID = {"threads": 1, "torch_threads": 1, "omp_threads": "1", "cpus": [0]}


def test_density_is_all_that_is_computed_by_core_over_the_shortest_modelled(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    ready = [
        {"real_ns": 3_000_000, "modelled_ns": 10_000_000},
        {"real_ns": 5_000_000, "modelled_ns": 40_000_000},
        {"real_ns": 0, "modelled_ns": 0},
    ]
    assert machine.density(ready) == pytest.approx((3 + 5) / 2 / 10)
    assert machine.density(ready[2:]) == 0.0


@pytest.mark.parametrize(("found", "warned"), [(0.5, 0), (0.51, 1), (1.0, 1)])
def test_dense_runs_are_warned_of(found, warned):
    assert len(machine.check(found, allow=False)) == warned


def test_too_dense_runs_are_refused_with_the_reason_and_what_to_do():
    said = r"density 1\.10: .* on \d+ cores .*--mode virtual.*--allow-oversubscribed"
    with pytest.raises(ExecutionError, match=said):
        machine.check(1.1, allow=False)
    assert "density 1.10" in machine.check(1.1, allow=True)[0]


def test_a_device_with_several_threads_is_named():
    ready = {"d0": SAID | {"real_ns": 1, "modelled_ns": 9}}
    assert machine.look(ready, pinned=True) == ("a core each", 1, pytest.approx(1 / 9, rel=1), ())
    ready["d1"] = ready["d0"] | {"threads": 3, "omp_threads": ""}
    seen = machine.look(ready, pinned=False)
    assert (seen.pinning, seen.threads) == ("none", 3)
    assert "pinning: none" in seen.warnings[0]
    assert "device d1 computes with 3 threads (torch 1, OMP_NUM_THREADS=unset)" in seen.warnings[1]


def test_threads_that_compute_are_seen_by_the_time_they_use():
    """Hashing lets go of the interpreter's lock, so two threads really compute at once."""
    block = bytes(1 << 20)

    before = threads.used_ns()
    assert threads.computing(before, before) == 1
    done = threading.Barrier(3)
    seen = threading.Event()

    def helper():
        for _ in range(300):
            hashlib.sha256(block).digest()
        done.wait()
        seen.wait()

    helpers = [threading.Thread(target=helper) for _ in range(2)]
    for one in helpers:
        one.start()
    done.wait()
    after = threads.used_ns()
    seen.set()
    for one in helpers:
        one.join()
    assert threads.computing(before, after) == 2
