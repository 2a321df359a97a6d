"""What a run leaves behind: one record a request, and what is known of the run as a whole."""

from __future__ import annotations

from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One request; it never disappears, whatever happened to it.

    Attributes
    ----------
    request, item, label, prediction : int
        Number of the request, index of the data item, its true class, the answer (-1: none).
    status : {"ok", "degraded", "timeout", "failed"}
        Answered in full, answered with something missing, no final or provisional answer by the
        deadline, or given up by the method or for want of room in the queue.
    intended_ns, started_ns : int
        When it should have been sent, and when the source began with it.
    answered_ns, first_answer_ns : int or None
        The answer that counts, and the first provisional one.
    exit, present : int
        Which exit answered (0: there is only one), and how many partitions stood behind it.
    bytes_up, bytes_down, bytes_peer : int
        Charged to the links: from devices to the source, back, and between devices.
    messages : int
        All messages in all directions, control included.
    frame_bytes : int
        Real bytes of the encoded frames, headers included.
    macs, macs_wasted : int
        Run anywhere for this request; and the part that no answer rested on.
    compute_ns, serialise_ns, link_ns, queue_ns, decide_ns : int
        Critical path; sums to ``answered_ns - intended_ns``.
    warm_up : bool
        Counts in no figure.
    """

    request: int
    item: int
    label: int
    prediction: int
    status: str
    intended_ns: int
    started_ns: int
    answered_ns: int | None
    first_answer_ns: int | None
    exit: int
    present: int
    bytes_up: int
    bytes_down: int
    bytes_peer: int
    messages: int
    frame_bytes: int
    macs: int
    macs_wasted: int
    compute_ns: int
    serialise_ns: int
    link_ns: int
    queue_ns: int
    decide_ns: int
    warm_up: bool = False


class Fidelity(msgspec.Struct, frozen=True):
    """How far a real-time run can be trusted (EMULATED against virtual time, same seed).

    Attributes
    ----------
    verdict : {"VALID", "MARGINAL", "UNTRUSTWORTHY"}
    overrun_fraction : float
        Share of events that could not meet their due time.
    paired_p50, paired_p95 : float or None
        Quantiles over requests of ``|realtime latency / virtual latency - 1|``.
    density : float
        Real compute released together per free core, over the shortest modelled compute.
    """

    verdict: str
    overrun_fraction: float
    paired_p50: float | None
    paired_p95: float | None
    density: float


class Outcome(msgspec.Struct, frozen=True):
    """All that one cell produced.

    Attributes
    ----------
    records : tuple of Record
        In order of request.
    duration_ns : int
    busy_ns : dict of str to int
        Time each device (and the source) computed.
    trace_sha256 : str or None
        Digest of every event of a virtual run.
    faults : tuple of dict
        One line for each fault: ``number``, ``kind``, ``target``; ``injected_ns``,
        ``detected_ns`` (when the source believed the device lost) and ``recovered_ns`` (when it
        had the device, its messages or its speed again), None where that never was; ``landed``;
        ``observed``, what was counted; ``planned``, the rest of the event, None for a fault that
        nobody planned (``out-of-memory``).
    fidelity : Fidelity or None
        Real-time runs only.
    stale_messages : int
        Messages that were dropped: data for a finished job, or for a device from before it came
        back; in real processes also what belonged to another run, was no packet, or had nobody
        to go to.
    lost_messages : int
        Messages that were lost on a link, or came to a device that was down.
    corrupt_messages : int
        Messages whose frame was damaged: their receivers dropped them.
    warnings : tuple of str
    """

    records: tuple[Record, ...]
    duration_ns: int
    busy_ns: dict[str, int]
    trace_sha256: str | None
    faults: tuple[dict[str, Any], ...] = ()
    fidelity: Fidelity | None = None
    stale_messages: int = 0
    lost_messages: int = 0
    corrupt_messages: int = 0
    warnings: tuple[str, ...] = ()
