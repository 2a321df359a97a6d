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
    control_messages : int
        Of the messages, those of the source that say permit, stop or start.
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
    control_messages: int = 0


class Span(msgspec.Struct, frozen=True, gc=False):
    """A stretch of time in the life of a chosen request, of a computation or of a message.

    Attributes
    ----------
    kind : {"queue", "serialise", "compute", "decide", "slip", "link", "latency", "arrival"}
        Of a computation: waiting for the device, and then its parts in the order in which they
        ran; ``slip`` is what it took beyond them (straggling; in real processes, the host), and
        counts as compute in the records. Of a message: waiting for the channel, holding it, being
        on the way without holding it, and the moment at which its receiver has it.
    track : str
        Device, ``source``, or, for ``queue``, ``link`` and ``latency`` of a message, the channel.
    begin_ns, end_ns : int
        Since the run began.
    job : int
        -1: of no request, as the stages that are sent to a device that comes back.
    rows : tuple of int
        Requests.
    label : str
        Stage, what the source thinks about, or what the message is.
    lost : bool
        A computation that never ended, or a message that was lost.
    step : int
        Which computation of the track; -1 for messages.
    inputs : tuple of str
        Labels of the messages that a computation waited for, with its ``queue``.
    sender, to : str
        Of a message.
    sent_ns : int
        When it left its sender; with the ends, label, rows and part it tells messages apart.
    part : str
        Which part of an output it carries; empty: all.
    payload_bytes : int
    attempt : int
        Counted from 1, link by link.
    """

    kind: str
    track: str
    begin_ns: int
    end_ns: int
    job: int
    rows: tuple[int, ...]
    label: str
    lost: bool = False
    step: int = -1
    inputs: tuple[str, ...] = ()
    sender: str = ""
    to: str = ""
    sent_ns: int = 0
    part: str = ""
    payload_bytes: int = 0
    attempt: int = 1


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
        Real compute released together per core, over the shortest modelled compute.
    pinning : {"a core each", "none"}
    threads : int
        Most threads that a device was seen to compute with.
    reference_drift : float or None
        How much the reference kernel's time changed from before the run to after it.
    """

    verdict: str
    overrun_fraction: float
    paired_p50: float | None
    paired_p95: float | None
    density: float
    pinning: str = "none"
    threads: int = 1
    reference_drift: float | None = None


class Energy(msgspec.Struct, frozen=True):
    """Energy as it was measured, and of what."""

    joules: float
    scope: str


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
        nobody planned (``out-of-memory``, or the ``crash`` of a real process that died by itself).
    fidelity : Fidelity or None
        Real-time runs only.
    stale_messages : int
        Messages that were dropped: data for a finished job, or for a device from before it came
        back.
    lost_messages : int
        Messages that were lost on a link, or came to a device that was down.
    corrupt_messages : int
        Messages whose frame was damaged: their receivers dropped them.
    foreign_messages : int
        Whatever came to a socket and was refused (real processes only): no packet, of another run,
        not from who it says, or nothing that this run sends.
    warnings : tuple of str
    spans : tuple of Span
        Timeline of the requests that were chosen for one.
    energy : Energy or None
        What the machine itself drew from the first arrival to the last answer, where time is real
        and its counters can be read.
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
    foreign_messages: int = 0
    warnings: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    energy: Energy | None = None
