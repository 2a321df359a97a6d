"""One process of a real-time run: a clock, a port, and a heap of events that are due.

Emulated (dilated) time keeps absolute deadlines: an event is handled *as of* its due time, and
the host's own delay is absorbed by the slack before the next one. What cannot meet its due time
is an overrun; from there on time slips to what really happened.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from multiprocessing import forkserver
from typing import Any, Final

import msgspec

from coinfer.runtime.context import Reactor, Work
from coinfer.runtime.meter import Meter
from coinfer.runtime.realtime.packets import Packet, Parcel, System
from coinfer.runtime.realtime.transport import Port
from coinfer.runtime.wire import Envelope

IDLE_NS: Final = 50_000_000
"""Longest wait for a packet where no event is due, so that a stop is seen."""

OVERRUN_NS: Final = 1_000_000
"""How late an event must be to count as an overrun: below this nothing is promised anyway."""

_DONE, _MESSAGE, _TIMER = range(3)


@dataclass
class _Done:
    value: Any
    started_ns: int
    ended_ns: int
    meter: Meter


class Loop:
    """Services of the real-time driver for one reactor, and the loop that drives it.

    Parameters
    ----------
    port : Port
    run : int
        Token of the run.
    meter : callable
        Makes the meter of one computation.
    dilated : bool
        Whether time is emulated; native mode takes what comes as fast as it comes.
    exact : bool
        Handle events at the time of the clock even where time is emulated: for the source, whose
        answers are measured by the clock.
    """

    def __init__(
        self, port: Port, run: int, meter: Callable[[], Meter], *, dilated: bool, exact: bool
    ) -> None:
        self._port = port
        self._run = run
        self._meter = meter
        self._dilated = dilated
        self._clocked = exact or not dilated
        self._heap: list[tuple[int, int, int, Any]] = []
        self._timers: set[int] = set()
        self._sequence = 0
        self._zero_ns = time.monotonic_ns()
        self.now_ns = 0
        self.computing = False
        self.events = 0
        self.overruns = 0
        self.busy_ns = 0
        self.stale = 0
        self.on_system: Callable[[System], None] = lambda _: None
        self.reactor: Reactor

    # Context

    def compute(self, work: Work) -> None:
        """Compute now; end when the modelled cost is over, or at once in native mode."""
        start, meter = self.now_ns, self._meter()
        self.computing = True
        factor = self._factor(start)
        value = work(meter)
        finished = self.clock_ns()
        end = start + round((meter.total_ns if self._dilated else finished - start) * factor)
        self._meet(end, finished)
        self.busy_ns += round(meter.total_ns * factor)
        self._push(max(end, finished), _DONE, _Done(value, start, end, meter))

    def send(self, envelope: Envelope) -> None:
        """Hand an envelope to the port."""
        self._port.send(envelope.to, Parcel(self._run, self.now_ns, envelope))

    def set_timer(self, due_ns: int, token: Any) -> int:
        """Ask for a timer event."""
        timer = self._push(due_ns, _TIMER, token)
        self._timers.add(timer)
        return timer

    def cancel_timer(self, timer: int) -> None:
        """Forget a timer event."""
        self._timers.discard(timer)

    # Driving

    @property
    def foreign(self) -> int:
        """Messages that were refused: nobody in this run could have sent them."""
        return self._port.foreign

    def clock_ns(self) -> int:
        """Time since zero, by the monotonic clock that all processes of the machine share."""
        return time.monotonic_ns() - self._zero_ns

    @property
    def zero_ns(self) -> int:
        """When the run began, as a reading of the monotonic clock."""
        return self._zero_ns

    def set_zero(self, zero_ns: int) -> None:
        """Agree on when the run began, as a reading of the monotonic clock."""
        self._zero_ns = zero_ns
        # What was set by the former zero must not be taken for a time of the run.
        self.now_ns = 0

    def system(self, to: str, kind: str, name: str, **info: Any) -> None:
        """Tell another driver something."""
        self._port.send(to, System(self._run, kind, name, info))

    def run(self, until: Callable[[], bool]) -> None:
        """Handle what comes until `until()` is true."""
        while not until():
            wait = IDLE_NS
            if self._heap:
                wait = min(wait, self._heap[0][0] - self.clock_ns())
            for packet in self._port.receive(wait):
                self._take(packet)
            while self._heap and self._heap[0][0] <= self.clock_ns():
                self._fire(*heappop(self._heap))

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, System):
            self.now_ns = self.clock_ns()
            self.on_system(packet)
        elif self._dilated:
            self._push(packet.due_ns, _MESSAGE, packet.envelope)
        else:
            self._deliver(packet.envelope, packet.due_ns)

    def _deliver(self, envelope: Envelope, due_ns: int) -> None:
        self.now_ns = self._as_of(due_ns)
        arrived_ns = self.now_ns if self._clocked else due_ns
        self.reactor.on_message(self._delivered(envelope, arrived_ns))

    def _delivered(self, envelope: Envelope, arrived_ns: int) -> Envelope:
        """Envelope whose path reaches up to now: on the way until it arrived, waiting since."""
        path = envelope.path
        way_ns = arrived_ns - path.origin_ns - path.total_ns
        path = path.plus(link=way_ns, queue=self.now_ns - arrived_ns)
        return msgspec.structs.replace(envelope, path=path)

    def _as_of(self, due_ns: int) -> int:
        """Time at which something that is due is handled."""
        return self.clock_ns() if self._clocked else due_ns

    def _factor(self, start_ns: int) -> float:
        """How many times longer a computation takes that starts then."""
        return 1.0

    def _fire(self, due_ns: int, kind: int, sequence: int, payload: Any) -> None:
        if kind == _TIMER:
            if sequence not in self._timers:
                return
            self._timers.discard(sequence)
        if kind == _MESSAGE:
            self._deliver(payload, due_ns)
            return
        self.now_ns = self._as_of(due_ns)
        if kind == _DONE:
            self.computing = False
            payload.ended_ns = self.now_ns
            self.reactor.on_done(payload)
        else:
            self._expire(payload)

    def _expire(self, token: Any) -> None:
        self.reactor.on_timer(token)

    def _meet(self, due_ns: int, clock_ns: int) -> None:
        self.events += 1
        self.overruns += clock_ns > due_ns + OVERRUN_NS

    def _push(self, due_ns: int, kind: int, payload: Any) -> int:
        self._sequence += 1
        heappush(self._heap, (due_ns, kind, self._sequence, payload))
        return self._sequence


def sharpen_timers() -> None:
    """Halve the overshoot of sleeps where the kernel lets a process ask for it (Linux)."""
    if sys.platform == "linux":
        pr_set_timerslack = 29
        ctypes.CDLL(None).prctl(pr_set_timerslack, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have this process end when the one that asked for it ends, however that happens.

    A thread waits for the pipe whose other end the asking process holds. A process that is stopped
    has no thread that waits: it is ended by the kernel (Linux) with its parent in the kernel's
    sense, the fork server, which goes when the asking process does.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    _let_the_server_go()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _let_the_server_go() -> None:
    """Close the pipe by which every child keeps the fork server alive; children of ours fork none.

    There is no public way to it.
    """
    server = forkserver._forkserver
    alive_fd = getattr(server, "_forkserver_alive_fd", None)
    if alive_fd is not None:
        os.close(alive_fd)
        server._forkserver_alive_fd = None  # type: ignore[attr-defined]


def _follow(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
