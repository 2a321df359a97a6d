"""Accounts of faults: what was planned, what landed, when it was noticed, when it was over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from coinfer.cluster import FaultEvent
from coinfer.cluster.faults import WINDOWS

SILENT: Final = ("crash", "pause", "partition", "out-of-memory")
"""Kinds that heartbeats can tell."""

BACK: Final = (*SILENT, "rejoin")
"""Kinds that are over when the source has the device again."""

OVER: Final = "the run was over first"
DOWN: Final = "the device was down"
UP: Final = "the device was up"
NO_MESSAGE: Final = "no message was hit"
NO_COMPUTE: Final = "nothing was computed in that time"

_PLAN: Final = (
    *("at_ns", "on_request", "after_ns", "duration_ns"),
    *("probability", "factor", "delay_ns", "cause"),
)


def numbered(events: Iterable[FaultEvent]) -> tuple[FaultEvent, ...]:
    """Events with their places as numbers, as a list has them that was expanded."""
    return tuple(msgspec.structs.replace(e, number=n) for n, e in enumerate(events))


def by_request(events: Iterable[FaultEvent]) -> dict[int, list[FaultEvent]]:
    """Events that hang on a request, by its number."""
    found: dict[int, list[FaultEvent]] = {}
    for event in events:
        if event.on_request is not None:
            found.setdefault(event.on_request, []).append(event)
    return found


@dataclass
class _Line:
    kind: str
    target: str
    event: FaultEvent | None
    missed: str = OVER
    injected_ns: int | None = None
    ended_ns: int | None = None
    detected_ns: int | None = None
    back_ns: int | None = None
    passed_ns: int | None = None
    landed: bool = False
    observed: Counter[str] = field(default_factory=Counter)


class FaultLog:
    """One line for each fault, by its number; those that nobody planned come last.

    Parameters
    ----------
    events : iterable of FaultEvent
    timeout_ns : int
        Silence after which a device is believed lost.
    """

    def __init__(self, events: Iterable[FaultEvent], timeout_ns: int) -> None:
        self._lines = {e.number: _Line(e.kind, e.target, e) for e in events}
        self._timeout_ns = timeout_ns
        self._unexplained: Counter[str] = Counter()

    def inject(self, number: int, now_ns: int, missed: str = "") -> None:
        """Note that a fault was carried out; it has landed unless it says why not yet."""
        line = self._lines[number]
        line.injected_ns = now_ns
        line.landed, line.missed = not missed, missed
        if line.event is not None and line.event.duration_ns:
            line.ended_ns = now_ns + line.event.duration_ns

    def miss(self, number: int, why: str) -> None:
        """Note why a fault could not be carried out."""
        self._lines[number].missed = why

    def happen(self, kind: str, device: str, now_ns: int) -> int:
        """Note a fault that nobody planned; returns its number."""
        number = max(self._lines, default=-1) + 1
        self._lines[number] = _Line(kind, device, None, "", now_ns, landed=True)
        return number

    def land(self, number: int) -> None:
        """Note that a fault was seen to have landed."""
        self._lines[number].landed = True

    def observe(self, number: int, counts: Mapping[str, int]) -> None:
        """Add to what was seen of a fault."""
        self._lines[number].observed.update(counts)

    def hit(self, number: int, counts: Mapping[str, int]) -> None:
        """Note what a fault did to messages or computations: that is how it lands."""
        self.observe(number, counts)
        self.land(number)

    def passed(self, number: int, now_ns: int) -> None:
        """Note when the first message was across after the end of a fault."""
        self._lines[number].passed_ns = now_ns

    def settle(
        self,
        hits: Mapping[int, Mapping[str, int]],
        passed_ns: Mapping[int, int],
        lost: Mapping[int, int],
    ) -> None:
        """Note what was seen to happen to messages, by number of the fault."""
        for number, counts in hits.items():
            self.hit(number, counts)
        for number, at_ns in passed_ns.items():
            self.passed(number, at_ns)
        for number, count in lost.items():
            self.observe(number, {"messages_lost": count})

    def lost(self, device: str, now_ns: int) -> None:
        """Note that the source believes a device lost; every silence since its last beat counts."""
        silences = [
            line
            for line in self._of(device, SILENT)
            if line.back_ns is None
            and (line.ended_ns is None or line.ended_ns > now_ns - self._timeout_ns)
        ]
        for line in silences:
            if line.detected_ns is None:
                line.detected_ns = now_ns
                line.landed = True  # A partition may have cut off nothing but heartbeats.
        if not silences:
            self._unexplained[device] += 1

    def back(self, device: str, now_ns: int) -> None:
        """Note that the source believes a device alive again."""
        for line in self._of(device, BACK):
            known = line.landed if line.kind not in WINDOWS else line.detected_ns is not None
            if line.back_ns is None and known:
                line.back_ns = now_ns

    def lines(self, end_ns: int) -> tuple[dict[str, Any], ...]:
        """All lines of a run that ended then."""
        return tuple(_told(n, self._lines[n], end_ns) for n in sorted(self._lines))

    def warnings(self) -> tuple[str, ...]:
        """What did not land, and why; and what came of no fault."""
        missed: dict[str, list[str]] = {}
        for line in self._lines.values():
            if not line.landed:
                missed.setdefault(line.missed, []).append(f"{line.kind} {line.target}")
        return (
            *(
                f"{len(names)} fault(s) never landed: {why}{_listed(names)}"
                for why, names in missed.items()
            ),
            *(
                f"device {device} was believed lost {times} time(s) without a fault: its beats "
                "came too late"
                for device, times in self._unexplained.items()
            ),
        )

    def _of(self, device: str, kinds: tuple[str, ...]) -> list[_Line]:
        return [
            line
            for line in self._lines.values()
            if line.target == device and line.kind in kinds and line.injected_ns is not None
        ]


def _told(number: int, line: _Line, end_ns: int) -> dict[str, Any]:
    event = line.event
    return {
        "number": number,
        "kind": line.kind,
        "target": line.target,
        "injected_ns": line.injected_ns,
        "detected_ns": line.detected_ns,
        "recovered_ns": _recovered_ns(line, end_ns),
        "landed": line.landed,
        "observed": dict(sorted(line.observed.items())),
        "planned": None if event is None else {name: getattr(event, name) for name in _PLAN},
    }


def _recovered_ns(line: _Line, end_ns: int) -> int | None:
    """When the source had the device again, or its messages, or its full speed."""
    if line.detected_ns is not None or line.kind not in WINDOWS:
        return line.back_ns
    if line.kind in ("pause", "straggle"):
        ended_ns = line.ended_ns
        return ended_ns if ended_ns is not None and ended_ns <= end_ns else None
    return line.passed_ns


def _listed(names: list[str], most: int = 4) -> str:
    return f" ({', '.join(names)})" if len(names) <= most else ""
