"""What a report says of faults."""

from __future__ import annotations

from types import SimpleNamespace

from coinfer.report.faults import fault_lines

MS = 1_000_000


def fault(kind, landed, *times_ms):
    names = ("injected_ns", "detected_ns", "recovered_ns")
    times = (None if t is None else t * MS for t in times_ms)
    return {"kind": kind, "landed": landed, **dict(zip(names, times, strict=True))}


def test_one_line_a_kind_over_all_cells():
    cells = [
        SimpleNamespace(notes={"faults": [fault("pause", True, 10, 110, 210)]}),
        SimpleNamespace(
            notes={
                "faults": [fault("pause", True, 10, 310, None), fault("drop", False, *3 * [None])]
            }
        ),
        SimpleNamespace(notes={}),
    ]
    assert fault_lines(SimpleNamespace(cells=cells)) == [
        "drop: 0 of 0 landed",
        "pause: 2 of 2 landed, 2 noticed after 200 ms, 1 over after 200 ms",
    ]
