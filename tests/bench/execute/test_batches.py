"""Batching at the source: every method decides for several rows as it does for each alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from coinfer.cluster import Workload
from coinfer.errors import PlanError
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.methods import parameter_types
from coinfer.runtime.runner import Runner
from coinfer.suite import expand, load_suite
from coinfer.training.modules import build

METHODS = ("local-teacher", "nonn", "rocoin", "distree-strict", "distree-speculative")


def cells():
    overrides = {"run_seed": [0], "faults": ["none"]}
    found = {c.method.variant: c for c in expand(load_suite("smoke"), parameter_types(), overrides)}
    strict = found["distree-strict"]
    parameters = strict.method.parameters | {"control": "speculative"}
    choice = replace(strict.method, variant="distree-speculative", parameters=parameters)
    return found | {"distree-speculative": replace(strict, method=choice)}


CELLS = cells()


def run(cell, **workload):
    cell = replace(cell, workload=Workload(**workload))
    return run_cell(cell, prepare(cell), Runner(build, memo=True), lambda _: None).outcome


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_answered_as_its_rows_are(method):
    # Raw: an int8 frame has one scale for all its rows.
    cell = replace(CELLS[method], encoding="raw", deadline_ms=10_000)
    alone = run(cell, requests=24)
    batched = run(cell, kind="multi-stream", samples_per_query=6, requests=24, batch_rows=6)
    assert {r.status for r in batched.records} == {"ok"}
    for a, b in zip(alone.records, batched.records, strict=True):
        assert (b.prediction, b.exit, b.present) == (a.prediction, a.exit, a.present)
    assert sum(r.messages for r in batched.records) < sum(r.messages for r in alone.records) / 3
    if method != "distree-speculative":
        # There, what runs on before a stop comes depends on when it comes.
        assert [r.macs for r in batched.records] == [r.macs for r in alone.records]


@pytest.mark.parametrize("method", METHODS)
def test_rows_leave_a_batch_at_their_own_deadlines(method):
    """Some rows of a job are over before others: what comes later lacks them, and goes on."""
    cell = CELLS[method]
    expected_ms = prepare(cell).notes["predicted_latency_ms"]
    outcome = run(
        replace(cell, deadline_ms=2.5 * expected_ms),
        kind="server",
        requests=60,
        rate_rps=3000 / expected_ms,
        batch_rows=4,
        batch_wait_ms=expected_ms,
        queue_limit=9,
        on_overflow="drop-oldest",
    )
    statuses = [r.status for r in outcome.records]
    assert len(statuses) == 60
    assert {"failed", "timeout"} & set(statuses)
    assert {"ok", "degraded"} & set(statuses)


def test_memory_is_checked_for_whole_batches():
    cell = CELLS["nonn"]
    one = prepare(replace(cell, workload=Workload(requests=2))).peak_memory_bytes
    four = prepare(replace(cell, workload=Workload(requests=2, batch_rows=4))).peak_memory_bytes
    assert four > one
    with pytest.raises(PlanError, match="memory_bytes"):
        prepare(replace(cell, workload=Workload(requests=2, batch_rows=100_000)))
