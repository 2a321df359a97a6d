"""Figures against sums done by hand."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coinfer.cluster import Cluster, Device, Link, Workload
from coinfer.errors import ExecutionError, UsageError
from coinfer.metrics import EXITS, FIGURES, METRICS, STATICS, figures, metric, percentiles_told
from coinfer.metrics.latency import latency_figures
from coinfer.runtime.record import Fidelity, Outcome, Record
from coinfer.suite import expand, load_suite

MS = 1_000_000
CLUSTER = Cluster(
    devices=(
        Device(name="a", macs_per_s=1e6, idle_w=1.0, busy_w=3.0, j_per_byte=0.001),
        Device(name="b", macs_per_s=1e6, idle_w=0.5, busy_w=0.5, j_per_byte=0.003),
    ),
    links={"*": Link(up_bps=1e6, down_bps=1e6)},
)


class NoParameters(msgspec.Struct):
    pass


def cell(requests: int, deadline_ms: float = 100):
    (one,) = expand(
        load_suite("smoke"),
        {"nonn": NoParameters},
        {"method": ["nonn"], "faults": ["none"], "run_seed": [0]},
    )
    workload = Workload(requests=requests)
    return msgspec.structs.replace(one, cluster=CLUSTER, workload=workload, deadline_ms=deadline_ms)


def record(request: int, latency_ms: float | None, **changes) -> Record:
    start_ns = request * 200 * MS
    fields = dict.fromkeys(Record.__struct_fields__, 0) | {
        "warm_up": False,
        "request": request,
        "label": 1,
        "prediction": -1 if latency_ms is None else 1,
        "status": "timeout" if latency_ms is None else "ok",
        "intended_ns": start_ns,
        "started_ns": start_ns,
        "answered_ns": None if latency_ms is None else start_ns + round(latency_ms * MS),
        "first_answer_ns": None,
    }
    return msgspec.convert(fields | changes, Record)


RECORDS = (
    record(0, 40, exit=0, bytes_up=100, bytes_down=10, messages=4, macs=1000, compute_ns=10 * MS),
    record(1, 60, exit=1, bytes_up=300, bytes_peer=45, messages=8, macs=3000, compute_ns=30 * MS),
    record(2, 140, exit=1, status="degraded", prediction=0, macs=2000, link_ns=60 * MS),
    record(3, None, macs=2000, macs_wasted=2000, queue_ns=999 * MS),
)
OUTCOME = Outcome(
    records=RECORDS,
    duration_ns=2_000 * MS,
    busy_ns={"a": 500 * MS, "b": 100 * MS, "source": 900 * MS},
    trace_sha256="abc",
    warnings=("odd",),
)


def test_figures_by_hand():
    got = figures(OUTCOME, cell(4), {"peak_memory_bytes": 12345})
    elsewhere = ("max_rate_rps", "rapl_j", "rapl_scope", "emulation")
    not_here = ("latency_p999_ms", *elsewhere, *EXITS, *STATICS)
    assert tuple(got) == tuple(name for name in FIGURES if name not in not_here)
    assert [got[s] for s in ("requests", "ok", "degraded", "timeout", "failed")] == [4, 2, 1, 1, 0]
    assert got["accuracy"] == 2 / 4
    assert got["accuracy_answered"] == pytest.approx(2 / 3)
    # Sorted: 40, 60, 140, never. Half are answered within 60 ms; 95 % never are.
    assert got["latency_p50_ms"] == 60
    assert got["latency_p95_ms"] is None
    assert got["latency_p99_ms"] is None
    assert got["latency_mean_ms"] is None
    # 140 ms is later than the deadline of 100 ms: two good answers in two seconds.
    assert got["goodput_rps"] == 1.0
    assert got["deadline_hit_rate"] == 0.5
    assert got["bytes_up_per_request"] == 100
    assert got["bytes_down_per_request"] == 2.5
    assert got["messages_per_request"] == 3
    assert got["macs_per_request"] == 2000
    assert got["macs_wasted_per_request"] == 500
    assert got["exit_counts"] == {"0": 1, "1": 2}
    assert got["critical_path_ms"]["compute"] == pytest.approx(40 / 3)
    assert got["critical_path_ms"]["link"] == pytest.approx(20)
    assert got["critical_path_ms"]["queue"] == 0
    # a: 1 W for 2 s and 2 W more for 0.5 s; b: 0.5 W for 2 s; 500 bytes at 2 mJ.
    assert got["energy_proxy_j"] == pytest.approx((2 + 1 + 1 + 500 * 0.002) / 4)
    assert got["peak_memory_bytes"] == 12345
    assert got["trace_sha256"] == "abc"
    assert got["fidelity"] is None
    assert got["warnings"][0] == "odd"
    assert msgspec.json.decode(msgspec.json.encode(got)) == got


def test_figures_of_faults_by_hand():
    def line(landed, *times_ms):
        names = ("injected_ns", "detected_ns", "recovered_ns")
        times = (None if t is None else t * MS for t in times_ms)
        return {"kind": "crash", "landed": landed, **dict(zip(names, times, strict=True))}

    outcome = msgspec.structs.replace(
        OUTCOME,
        faults=(line(True, 100, 350, 600), line(True, 50, None, 90), line(False, None, None, None)),
        lost_messages=7,
        corrupt_messages=2,
        stale_messages=3,
    )
    got = figures(outcome, cell(4), {})
    assert (got["faults_injected"], got["faults_landed"]) == (2, 2)
    assert (got["detection_mean_ms"], got["detection_max_ms"]) == (250, 250)
    assert (got["recovery_mean_ms"], got["recovery_max_ms"]) == (270, 500)
    assert [got[f"{kind}_messages"] for kind in ("lost", "corrupt", "stale")] == [7, 2, 3]
    assert figures(OUTCOME, cell(4), {})["recovery_mean_ms"] is None


def test_the_warm_up_counts_nowhere():
    """The same four requests, with three before them that took for ever and cost a lot."""
    plain = figures(OUTCOME, cell(4), {})
    before = tuple(
        record(n, 5000, intended_ns=0, macs=1000, bytes_up=10**6, warm_up=True) for n in range(3)
    )
    later = 3_000 * MS
    after = tuple(
        msgspec.structs.replace(
            r,
            request=r.request + 3,
            intended_ns=r.intended_ns + later,
            answered_ns=r.answered_ns and r.answered_ns + later,
        )
        for r in RECORDS
    )
    longer = msgspec.structs.replace(
        OUTCOME,
        records=before + after,
        duration_ns=OUTCOME.duration_ns + later,
        # 8000 of 11000 MACs were for requests that count.
        busy_ns={name: busy * 11 // 8 for name, busy in OUTCOME.busy_ns.items()},
    )
    warm = msgspec.structs.replace(cell(7), workload=Workload(requests=7, warm_up=3))
    assert figures(longer, warm, {}) == plain


def test_p999_is_there_from_ten_thousand_requests_on():
    outcome = msgspec.structs.replace(
        OUTCOME, records=tuple(record(n, 1 + n / 1000) for n in range(10_000))
    )
    assert figures(outcome, cell(10_000), {})["latency_p999_ms"] == pytest.approx(1 + 9.989)
    fewer = msgspec.structs.replace(outcome, records=outcome.records[1:])
    assert "latency_p999_ms" not in figures(fewer, cell(9_999), {})


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        (1, "no percentile of the latency can be told from 1 requests; p50 takes 2"),
        (19, "p50 of the latency can be told from 19 requests; p95 takes 20"),
        (10_000, "p50, p95, p99 and p99.9 of the latency can be told from 10000 requests"),
    ],
)
def test_what_requests_are_enough_for_is_said_beforehand(requests, told):
    assert percentiles_told(requests) == told


def test_nobody_answered():
    outcome = msgspec.structs.replace(OUTCOME, records=(record(0, None), record(1, None)))
    got = figures(outcome, cell(2), {})
    assert got["accuracy"] == 0
    assert got["accuracy_answered"] is None
    assert got["latency_p50_ms"] is None
    assert got["goodput_rps"] == 0
    assert got["critical_path_ms"]["compute"] is None
    assert got["peak_memory_bytes"] is None


def test_a_late_right_answer_counts_for_accuracy_of_answers_but_not_for_goodput():
    outcome = msgspec.structs.replace(OUTCOME, records=(record(0, 101),))
    got = figures(outcome, cell(1), {})
    assert got["accuracy_answered"] == 1
    assert got["deadline_hit_rate"] == 0


def test_too_few_requests_for_a_percentile_are_said():
    def warnings(requests):
        outcome = msgspec.structs.replace(
            OUTCOME, records=tuple(record(i, 10) for i in range(requests)), warnings=()
        )
        return figures(outcome, cell(requests), {})["warnings"]

    assert len(warnings(19)) == 2
    assert len(warnings(20)) == len(warnings(99)) == 1
    assert "p99 is the slowest of 99 requests; it takes at least 100" in warnings(99)[0]
    assert warnings(100) == []


def test_fidelity_is_passed_on():
    fidelity = Fidelity("VALID", 0.01, 0.02, 0.05, 0.4)
    got = figures(msgspec.structs.replace(OUTCOME, fidelity=fidelity), cell(4), {})
    assert got["fidelity"] == {
        "verdict": "VALID",
        "overrun_fraction": 0.01,
        "paired_p50": 0.02,
        "paired_p95": 0.05,
        "density": 0.4,
        "pinning": "none",
        "threads": 1,
        "reference_drift": None,
    }


def test_a_request_that_disappeared_is_an_error():
    with pytest.raises(ExecutionError, match="4 records for 5 requests"):
        figures(OUTCOME, cell(5), {})


@given(st.lists(st.none() | st.integers(1, 10**6), min_size=1, max_size=300))
def test_percentiles_are_the_shortest_latency_that_enough_requests_kept(latencies):
    records = [record(i, None if ms is None else ms) for i, ms in enumerate(latencies)]
    got = latency_figures(records)
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        enough = Fraction(percent, 100) * len(latencies)
        kept = sorted(
            ms
            for ms in latencies
            if ms is not None and sum(o is not None and o <= ms for o in latencies) >= enough
        )
        assert got[f"latency_{name}_ms"] == (kept[0] if kept else None)


def test_every_metric_is_a_figure():
    assert set(METRICS) <= set(FIGURES)
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        metric("acuracy")
