"""Carries faults out on real processes, and sees whether they have landed.

A crash is a SIGKILL, a pause a SIGSTOP and a SIGCONT. What hits messages is done where the links
are, what makes computations slower by the device itself; both are told.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from coinfer.cluster import FaultEvent
from coinfer.runtime.events import End
from coinfer.runtime.fault_log import FaultLog, by_request
from coinfer.runtime.fault_rules import FaultRules
from coinfer.runtime.lives import Life
from coinfer.runtime.realtime.fleet import Processes
from coinfer.runtime.realtime.packets import System, address
from coinfer.runtime.realtime.processes import OVERFLOW_EXIT
from coinfer.runtime.realtime.source_loop import SourceLoop
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Shipment, shipped

WATCH_NS: Final = 20_000_000
"""How often processes are looked after that nobody has asked to die."""


class Faults(FaultRules):
    """Faults of a run with real processes.

    Parameters
    ----------
    events : tuple of FaultEvent
    log : FaultLog
    fleet : Processes
    loop : SourceLoop
    source : SourceReactor
    topology : Topology

    Attributes
    ----------
    ready : dict
        By address: what a process said when it was ready to live.
    warnings : list of str
        Devices that died though nobody asked for it.
    """

    unseen = "no process was seen to die or stop of it"

    def __init__(
        self,
        events: tuple[FaultEvent, ...],
        log: FaultLog,
        fleet: Processes,
        loop: SourceLoop,
        source: SourceReactor,
        topology: Topology,
    ) -> None:
        super().__init__(log, source)
        self._events = events
        self._hanging = by_request(events)
        self._fleet = fleet
        self._loop = loop
        self._topology = topology
        self._lives = {name: Life() for name in topology.devices}
        self._lost: set[str] = set()
        self._open: dict[str, dict[int, FaultEvent]] = {name: {} for name in topology.devices}
        self._resumed: dict[str, list[int]] = {}
        self._dying: list[tuple[int, str]] = []
        self._unready: dict[str, tuple[str, int]] = {}
        self._slowed: dict[str, dict[int, int]] = {}
        self._next_watch_ns = 0
        self.ready: dict[str, dict[str, Any]] = {}
        self.warnings: list[str] = []

    @property
    def now_ns(self) -> int:
        """Time of the event being handled."""
        return self._loop.now_ns

    def life(self, device: str) -> Life:
        """Latest life of a device."""
        return self._lives[device]

    @property
    def up(self) -> dict[str, str]:
        """Addresses of the devices that are up, by name."""
        return {n: address(n, life.births) for n, life in self._lives.items() if life.up}

    # What happens

    def begin(self) -> None:
        """Ask for the faults that have a time."""
        for fault in self._events:
            if fault.at_ns is not None:
                self._loop.set_timer(fault.at_ns, fault)

    def request_started(self, request: int) -> None:
        """Carry out, or ask for, the faults that hang on a request."""
        for fault in self._hanging.get(request, ()):
            if fault.after_ns:
                self._loop.set_timer(self.now_ns + fault.after_ns, fault)
            else:
                self.inject(fault)

    def on_timer(self, token: FaultEvent | End) -> None:
        """Carry a fault out, or end it."""
        if isinstance(token, End):
            self._end(token.fault)
        elif not self._source.finished:
            self.inject(token)

    def on_system(self, packet: System) -> None:
        """Take note of what a device or the hub has to say of lives."""
        name, birth, info = packet.name, packet.birth, packet.info
        where = address(name, birth)
        if packet.kind == "ready":
            self.ready[where] = info
            if where in self._unready:
                self._send_stages(*self._unready.pop(where))
        elif packet.kind == "hello":
            self._hear_hello(name, birth, msgspec.convert(info["stages"], Shipment))
        elif packet.kind == "slowed":
            self._slowed[where] = msgspec.convert(info["hits"], dict[int, int])
        elif packet.kind == "overflow":
            if self.up.get(name) == where:
                self.overflow(name)
        elif packet.kind in ("lost", "alive"):
            alive = packet.kind == "alive"
            # What a hello has told already is no news.
            if alive == (name in self._lost):
                (self._lost.discard if alive else self._lost.add)(name)
                self._believe(name, alive=alive)

    def watch(self) -> None:
        """See who has died."""
        for number, where in list(self._dying):
            code = self._fleet.exit_code(where)
            if code is not None:
                self._dying.remove((number, where))
                if code == -signal.SIGKILL:
                    self._log.land(number)
        if self._loop.now_ns < self._next_watch_ns:
            return
        self._next_watch_ns = self._loop.now_ns + WATCH_NS
        for name, where in self.up.items():
            code = self._fleet.exit_code(where)
            if code is not None and code != OVERFLOW_EXIT:
                self.warnings.append(f"device {name} died by itself (exit code {code})")
                self._fall(name, self._log.happen("crash", name, self.now_ns), planned=False)
        for name in self._fleet.returned():
            life = self._lives[name]
            if not life.up and life.rejoin < 0:
                self._return(name, life, self._log.happen("rejoin", name, self.now_ns))

    @property
    def pending(self) -> bool:
        """Whether something of a fault is still to come: its end, or the news of it."""
        return bool(self._dying) or any(
            self._open[name]
            or (life.rejoin >= 0 and not life.up)
            or life.up == (name in self._lost)
            for name, life in self._lives.items()
        )

    # The end of a run

    def finish(self) -> None:
        """Let those go on that are stopped: they have to say goodbye."""
        for name, open_faults in self._open.items():
            if any(f.kind == "pause" for f in open_faults.values()):
                self._see_stopped(name)
                self._fleet.send(self.up[name], signal.SIGCONT)

    def settle(self, hub: Mapping[str, Any], accounts: Mapping[str, Mapping[str, Any]]) -> None:
        """Give the log what the hub, and every life of a device, has seen of faults."""
        self._log.settle(
            msgspec.convert(hub["hits"], dict[int, dict[str, int]]),
            msgspec.convert(hub["passed_ns"], dict[int, int]),
            msgspec.convert(hub["lost_with"], dict[int, int]),
        )
        for hits in self._slowed.values():
            for number, computes in hits.items():
                self._log.hit(number, {"computes_slowed": computes})
        for where, numbers in self._resumed.items():
            deferred = accounts[where]["deferred"] if where in accounts else []
            for number, events in zip(numbers, deferred, strict=False):
                self._log.observe(number, {"events_deferred": events})

    # How faults are carried out

    def _impair(self, fault: FaultEvent) -> None:
        self._loop.order("impair", fault.target, fault=fault, at_ns=self.now_ns)
        if fault.kind == "partition":
            self._open_until(fault)

    def _hold(self, fault: FaultEvent) -> None:
        self._fleet.send(self.up[fault.target], signal.SIGSTOP)
        self._open_until(fault)

    def _slow(self, fault: FaultEvent) -> None:
        self._loop.tell(self.up[fault.target], "slow", fault=fault, at_ns=self.now_ns)

    def _fall(self, device: str, number: int, *, planned: bool) -> None:
        births = self._lives[device].births
        where = address(device, births)
        self._see_stopped(device)
        self._open[device] = {
            n: fault for n, fault in self._open[device].items() if fault.kind != "pause"
        }
        self._set(device, Life(up=False, fallen=number, births=births))
        if planned:
            self._unready.pop(where, None)
            self._fleet.send(where, signal.SIGKILL)
            self._dying.append((number, where))
        self._fleet.have_ready(device, births + 1, self._loop.zero_ns)

    def _give_up(self, device: str) -> bool:
        new = device not in self._lost
        self._lost.add(device)
        return new

    def _ship(self, device: str, birth: int) -> None:
        self._set(device, self._lives[device])
        self._fleet.call(device, birth, self._loop.zero_ns)
        where = address(device, birth)
        if where in self.ready:
            self._send_stages(device, birth)
        else:
            self._unready[where] = device, birth

    def _send_stages(self, device: str, birth: int) -> None:
        weights_bytes = self._topology.weights_bytes(device)
        self._loop.send(shipped(device, birth, 1, weights_bytes, self.now_ns))

    def _hear_hello(self, device: str, birth: int, stages: Shipment) -> None:
        life = self._lives[device]
        # One that was killed on its way back may have said hello before.
        if not life.up and life.rejoin >= 0 and birth == life.births:
            self._lives[device] = Life(births=birth, born_ns=self.now_ns)
            self._lost.discard(device)
            self._arrived(device, life.rejoin, stages)
            self._fleet.have_ready(device, birth + 1, self._loop.zero_ns)
        else:
            self._loop.stale += 1

    def _set(self, device: str, life: Life) -> None:
        """Tell whoever delivers to the device."""
        self._lives[device] = life
        self._loop.order("life", device, life=life)

    def _open_until(self, fault: FaultEvent) -> None:
        self._open[fault.target][fault.number] = fault
        self._loop.set_timer(self.now_ns + fault.duration_ns, End(fault))

    def _end(self, fault: FaultEvent) -> None:
        device = fault.target
        open_faults = self._open[device]
        if fault.number not in open_faults:
            return
        if fault.kind == "pause":
            self._see_stopped(device)
        del open_faults[fault.number]
        if fault.kind == "pause" and not any(f.kind == "pause" for f in open_faults.values()):
            where = self.up[device]
            self._resumed.setdefault(where, []).append(fault.number)
            self._fleet.send(where, signal.SIGCONT)

    def _see_stopped(self, device: str) -> None:
        """Have the pauses of a device landed, if its process is seen to be stopped."""
        pauses = [n for n, fault in self._open[device].items() if fault.kind == "pause"]
        if pauses and self._fleet.stopped(address(device, self._lives[device].births)):
            for number in pauses:
                self._log.land(number)
