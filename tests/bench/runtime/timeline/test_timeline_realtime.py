"""Real processes tell their timelines as virtual ones do, also one that is killed."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import pytest
from recorded import CHAIN, MS, traced
from viewer import Reader, back_from

from coinfer.cluster import FaultEvent
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import ModuleRef
from coinfer.report import trace
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.training.modules import build


@pytest.mark.alone
@pytest.mark.parametrize("dilated", [True, False], ids=["realtime", "native"])
def test_real_processes_tell_the_same_and_one_that_is_killed_has_told_before(
    world, toy_cluster, dilated
):
    """A chain over three devices; the last of them is killed when the third request starts."""
    identity = ModuleRef("torch.nn:Identity")
    stages = [dataclasses.replace(s, module=identity, macs=20_000) for s in CHAIN[0]]
    cluster = toy_cluster(latency_ms=20)
    given = world.scenario(
        stages,
        *CHAIN[1:],
        requests=3,
        timeline=(0, 1, 2),
        on=cluster,
        costs=load_cost_table(),
        kernels="native",
        faults=(FaultEvent("crash", "d2", None, 2),),
        deadline_ms=2000,
    )
    outcome = RealtimeDriver(given, build, dilated=dilated).run()
    read = Reader(trace([traced(outcome, cluster, (0, 1, 2), 2000)]))
    names = {track: [s["name"] for s in read.on(track)] for track in ("d0", "d1", "d2")}
    assert names["d0"][:2] == ["a #0", "a #1"]
    assert names["d1"][:2] == ["b #0", "b #1"]
    # The last that it did may have died with it.
    assert names["d2"] in (["c #0"], ["c #0", "c #1"])
    whole = [record for record in outcome.records if f"c #{record.request}" in names["d2"]]
    origin_ns = outcome.records[0].intended_ns
    for record in whole:
        end = record.answered_ns - origin_ns
        (last,) = [s for s in read.on("source") if s["end"] == end]
        parts: dict[str, int] = defaultdict(int)
        assert back_from(read, last, parts) == record.started_ns - origin_ns
        assert sum(parts.values()) == record.answered_ns - record.started_ns
        if dilated:
            assert parts["compute"] == 60 * MS
            assert len([s for s in read.on("up:d1") if s["name"].startswith("b #")]) >= 2
        else:
            assert not read.on("up:d1")
            assert read.on("transport")
