"""Deployments and faults whose timelines are looked at, and a finished cell with one."""

from __future__ import annotations

from typing import Any

from coinfer.cluster import FaultEvent, FaultList, Workload
from coinfer.contract import (
    INPUT,
    After,
    Answer,
    Batching,
    ModuleRef,
    Need,
    Permit,
    Replica,
    Stage,
    Stop,
    permit,
)
from coinfer.report import Traced
from coinfer.store import RESULT_SCHEMA, StoredCell
from coinfer.suite import AXES, Cell, MethodChoice

US, MS = 1_000, 1_000_000


def stage(name, *needs, **more):
    wanted = tuple(n if isinstance(n, Need) else Need(n) for n in needs)
    return Stage(name, ModuleRef("double"), wanted, (4,), **({"macs": 1000} | more))


def answer(name):
    def arrival(rule, arrived, ctx):
        rows = arrived.rows
        return [Answer(rows, rows)] if arrived.stage == name else []

    return arrival


def exits(rule, arrived, ctx):
    """Even requests leave at the first exit, with a stop; the others are told to go on."""
    rows = arrived.rows
    if arrived.stage == "e2":
        return [Answer(rows, rows, exit=2)]
    if arrived.stage != "e1":
        return []
    return [Permit("more", rows)] if rows[0] % 2 else [Answer(rows, rows, exit=1), Stop(rows)]


ONE = ([stage("m", INPUT)], [Replica("m", "d0")], answer("m"))
CHAIN = (
    [stage("a", INPUT, to_source=False), stage("b", "a", to_source=False), stage("c", "b")],
    [Replica("a", "d0"), Replica("b", "d1"), Replica("c", "d2")],
    answer("c"),
)
REPLICAS = (
    [stage("m", INPUT, macs=3000)],
    [Replica("m", "d0"), Replica("m", "d1"), Replica("m", "d2", After(2 * MS))],
    answer("m"),
)
EXITS = (
    [
        stage("b1", INPUT, to_source=False),
        stage("e1", Need("b1", same_device=True)),
        stage("b2", Need("b1", same_device=True), Need(permit("more")), to_source=False),
        stage("e2", Need("b2", same_device=True)),
    ],
    [Replica(s, "d0") for s in ("b1", "e1", "b2", "e2")],
    exits,
)
SPECULATIVE = (
    [
        stage("b1", INPUT, to_source=False),
        stage("e1", Need("b1", same_device=True)),
        stage("b2", Need("b1", same_device=True), to_source=False, macs=9000),
        stage("e2", Need("b2", same_device=True)),
    ],
    [Replica(s, "d0") for s in ("b1", "e1", "b2", "e2")],
    exits,
)


def lasting(kind, target, at_ms, for_ms, **more):
    return FaultEvent(kind, target, at_ms * MS, None, duration_ns=for_ms * MS, **more)


CRASH = (FaultEvent("crash", "d0", 4 * MS, None),)
REJOIN = (*CRASH, FaultEvent("rejoin", "d0", 40 * MS, None))

SCENARIOS: dict[str, tuple[Any, dict[str, Any]]] = {
    "one": (ONE, {}),
    "chain": (CHAIN, {}),
    "chain under load": (CHAIN, {"arrivals_ns": [0, 0, 100 * US, 1 * MS]}),
    "replicas": (REPLICAS, {}),
    "strict exits": (EXITS, {}),
    "speculative exits": (SPECULATIVE, {}),
    "a batch": (CHAIN, {"batching": Batching(rows=2, wait_ns=1 * MS), "arrivals_ns": [0] * 4}),
    "crash": (REPLICAS, {"faults": CRASH}),
    "crash and nobody else": (ONE, {"faults": CRASH, "deadline_ms": 20}),
    "rejoin": (ONE, {"faults": REJOIN, "deadline_ms": 20}),
    "pause": (CHAIN, {"faults": (lasting("pause", "d1", 3, 20),)}),
    "straggle": (CHAIN, {"faults": (lasting("straggle", "d1", 0, 20, factor=3.0),)}),
    "delay": (CHAIN, {"faults": (lasting("delay", "d1", 0, 9, delay_ns=2 * MS),)}),
    "drop": (ONE, {"faults": (lasting("drop", "d0", 0, 9),), "deadline_ms": 20}),
}
LINKS: dict[str, dict[str, Any]] = {
    "lossy": {"loss": 0.4, "on_loss": "retransmit", "retransmit_ms": 1.0},
    "slow": {"up_bps": 8e4, "down_bps": 8e4},
}


def traced(outcome, cluster, requests, deadline_ms=1000) -> Traced:
    coordinates = dict.fromkeys(AXES, 0) | {"method": "toy", "cluster": "toy"}
    cell = Cell(
        key="method=toy",
        coordinates=coordinates,
        method=MethodChoice("toy", "toy", {}),
        cluster_name="toy",
        cluster=cluster,
        faults_name="toy",
        faults=FaultList(),
        workload=Workload(),
        dataset="",
        encoding="raw",
        kernels="reference",
        mode="virtual",
        deadline_ms=deadline_ms,
        train_seed=0,
        run_seed=0,
        repeat=0,
        timeline=requests,
    )
    notes = {"faults": list(outcome.faults)}
    stored = StoredCell(RESULT_SCHEMA, cell, "", "done", notes=notes)
    return Traced(stored, outcome.records, outcome.spans)
