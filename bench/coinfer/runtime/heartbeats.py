"""Signs of life in virtual time: who is silent, and when the source notices.

Beats come at whole multiples of the interval, and none is an event: what follows from a silence is
worked out when it begins and when it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Pulse:
    """One device: why it is silent, since when it is not, and the last beat before a silence."""

    causes: set[int] = field(default_factory=set)
    since_ns: int = 0
    heard_ns: int = 0
    lost: bool = False


class Heartbeats:
    """What the source hears of the devices.

    Parameters
    ----------
    beat_ns : int
    timeout_ns : int
        A device is believed lost so long after its last beat.
    """

    def __init__(self, beat_ns: int, timeout_ns: int) -> None:
        self._beat_ns = beat_ns
        self._timeout_ns = timeout_ns
        self._pulses: dict[str, _Pulse] = {}

    def lost(self, device: str) -> bool:
        """Whether the source believes a device lost."""
        return device in self._pulses and self._pulses[device].lost

    def mute(self, device: str, cause: int, now_ns: int) -> int | None:
        """Begin a silence; returns when to look at it, unless that is settled already."""
        pulse = self._pulses.setdefault(device, _Pulse())
        first = not pulse.causes
        if first:
            self._hear(pulse, now_ns)
        pulse.causes.add(cause)
        return max(pulse.heard_ns + self._timeout_ns, now_ns) if first else None

    def unmute(self, device: str, cause: int, now_ns: int) -> int | None:
        """End what silenced a device; returns when to look, where that is of any use."""
        pulse = self._pulses[device]
        if cause not in pulse.causes:
            return None
        pulse.causes.remove(cause)
        if pulse.causes:
            return None
        pulse.since_ns = now_ns
        beat_ns = -(-now_ns // self._beat_ns) * self._beat_ns
        return beat_ns if beat_ns > pulse.heard_ns + self._timeout_ns else None

    def give_up(self, device: str, now_ns: int) -> None:
        """Believe a silent device lost at once."""
        pulse = self._pulses[device]
        pulse.lost = True
        pulse.heard_ns = now_ns - self._timeout_ns

    def born(self, device: str, causes: set[int], now_ns: int) -> int | None:
        """Hear that a device is there again; `causes` silence it no more."""
        pulse = self._pulses[device]
        pulse.causes -= causes
        pulse.since_ns = pulse.heard_ns = now_ns
        pulse.lost = False
        return now_ns + self._timeout_ns if pulse.causes else None

    def look(self, device: str, now_ns: int) -> bool | None:
        """True: alive again. False: believed lost from now on. None: nothing new."""
        pulse = self._pulses[device]
        if not pulse.causes:
            self._hear(pulse, now_ns)
        late = now_ns >= pulse.heard_ns + self._timeout_ns
        if late == pulse.lost:
            return None
        pulse.lost = late
        return not late

    def _hear(self, pulse: _Pulse, now_ns: int) -> None:
        """Take note of the last beat, if there was one since the device was silent."""
        beat_ns = now_ns // self._beat_ns * self._beat_ns
        if beat_ns >= pulse.since_ns:
            pulse.heard_ns = beat_ns
