"""Starts the processes of a run, is its source, and ends the processes whatever happens."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from coinfer.contract import SOURCE
from coinfer.errors import ExecutionError
from coinfer.runtime.devices import KEEP_DEADLINES
from coinfer.runtime.fault_log import FaultLog, numbered
from coinfer.runtime.rapl import Rapl
from coinfer.runtime.realtime import machine
from coinfer.runtime.realtime.faults import Faults
from coinfer.runtime.realtime.fleet import Fleet, Processes
from coinfer.runtime.realtime.loop import sharpen_timers
from coinfer.runtime.realtime.packets import HUB, System, address, device_at
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.source_loop import CentreLoop, SourceLoop
from coinfer.runtime.realtime.transport import DealerPort, RouterPort
from coinfer.runtime.record import Fidelity, Outcome, Span
from coinfer.runtime.runner import Build, Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.timeline import Timeline, in_order
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Loss

if TYPE_CHECKING:
    from coinfer.runtime.boards import Crew

Weights = Callable[[str], bytes]
"""Gives the content of the file of weights with a digest."""

START_S: Final = 120.0
"""Longest wait for all processes to be ready."""

REPORT_S: Final = 1.0
"""How long the report of a process that has ended may still be under way."""

DRAIN_S: Final = 0.3
"""How long late messages are still accounted for after the last request is settled."""

SETTLE_S: Final = 3.0
"""How much longer than a heartbeat's time-out what faults began is waited for after that."""

LEAD_NS: Final = 20_000_000
"""From when all are told to begin until the run begins."""


def _none(sha256: str) -> bytes:
    raise ExecutionError(f"weights {sha256}: this run was given none to send to boards")


class RealtimeDriver:
    """Runs one scenario with real processes and sockets.

    Parameters
    ----------
    scenario : Scenario
    build : callable
        Builds a module from its reference; picklable.
    dilated : bool
        True: emulated time, with a hub process that models the links. False: native mode; the
        devices dial the source and everything takes what it takes.
    on_request : callable, optional
        Told the number of each request as it starts.
    allow_oversubscribed : bool
        Run where more is to be computed than the cores can do in time.
    weights : callable, optional
        Gives the content of the file of weights with a digest; boards are sent it.
    """

    def __init__(
        self,
        scenario: Scenario,
        build: Build,
        *,
        dilated: bool,
        on_request: Callable[[int], None] = lambda _: None,
        allow_oversubscribed: bool = False,
        weights: Weights = _none,
    ) -> None:
        self._scenario = scenario
        self._build = build
        self._dilated = dilated
        self._report = on_request
        self._allow_oversubscribed = allow_oversubscribed
        self._weights = weights
        self._reports: dict[str, dict[str, Any]] = {}
        self._timeline = Timeline.of(scenario.timeline)
        self._spans: list[Span] = []
        self._crew: Crew | None = None

    @property
    def boards(self) -> dict[str, dict[str, Any]]:
        """What each board said of itself; none where devices are processes of this machine."""
        return {} if self._crew is None else self._crew.facts()

    def run(self) -> Outcome:
        """Run the scenario.

        Raises
        ------
        ExecutionError
            If a process does not start, the hub dies, or the density is too high.
        """
        folder = Path(tempfile.mkdtemp(prefix="coinfer-"))
        setup = self._setup(f"ipc://{folder}/hub")
        self._events = numbered(self._scenario.faults)
        self._fleet = self._processes(setup)
        leaving: set[str] = set()
        try:
            port = self._fleet.start()
            sharpen_timers()
            self._take_part(port, setup)
            self._begin()
            settled_ns = self._serve()
            leaving = self._say_goodbye()
        finally:
            self._fleet.end(leaving)
            shutil.rmtree(folder, ignore_errors=True)
        return self._outcome(settled_ns)

    # The run

    def _processes(self, setup: Setup) -> Processes:
        """The processes of the run: of this machine, or of the boards of the cluster."""
        boards = self._scenario.cluster.boards
        if self._dilated or boards is None:
            return Fleet(setup, self._events)
        from coinfer.runtime.boards import Crew

        self._crew = Crew(setup, boards, self._weights)
        return self._crew

    def _setup(self, endpoint: str) -> Setup:
        scenario = self._scenario
        return Setup(
            run=secrets.randbits(62),
            endpoint=endpoint,
            cluster=scenario.cluster,
            seed=scenario.seed,
            dilated=self._dilated,
            stages=scenario.deployment.stages,
            replicas=scenario.deployment.replicas,
            input_shape=scenario.load.images.shape[1:],
            requests=len(scenario.load.items),
            most_rows=scenario.deployment.batching.rows,
            encoding=scenario.encoding,
            kernels=scenario.backend.name,
            costs=scenario.costs,
            keep_ns=KEEP_DEADLINES * scenario.load.deadline_ns,
            build=self._build,
            timeline=scenario.timeline,
        )

    def _take_part(self, port: DealerPort | RouterPort, setup: Setup) -> None:
        """Be the source, and the one that carries faults out."""
        scenario = self._scenario
        topology = Topology.of(scenario.deployment, scenario.cluster, modelled=self._dilated)
        runner = Runner(self._build, memo=False)
        for name in topology.on[SOURCE]:
            runner.prepare(topology.stages[name])
        timeline = self._timeline
        loop = (
            CentreLoop(port, setup, timeline)
            if isinstance(port, RouterPort)
            else SourceLoop(port, setup)
        )
        source = SourceReactor(
            topology,
            scenario.load,
            scenario.encoding,
            runner,
            loop,
            self._request_started,
            timeline,
        )
        timeout_ns = round(scenario.cluster.heartbeat_timeout_ms * 1e6)
        self._log = FaultLog(self._events, timeout_ns)
        faults = Faults(self._events, self._log, self._fleet, loop, source, topology)
        loop.reactor = source
        loop.knows = source.knows
        loop.on_fault = faults.on_timer
        loop.on_system = self._on_system
        self._loop, self._source, self._faults = loop, source, faults

    def _begin(self) -> None:
        """Begin when all processes are ready."""
        loop, fleet, names = self._loop, self._fleet, self._fleet.names
        self._await_ready()
        ready = {n: self._faults.ready[address(n, 0)] for n in self._scenario.cluster.names}
        together = self._crew is None
        self._machine = machine.look(ready, pinned=fleet.pinned, together=together)
        self._warnings = list(self._machine.warnings)
        if self._dilated:
            allow = self._allow_oversubscribed
            self._warnings += machine.check(self._machine.density, allow=allow)
        zero_ns = time.monotonic_ns() + LEAD_NS
        for name in sorted(names):
            ahead_ns = zero_ns - time.monotonic_ns()
            loop.tell(name, "go", zero_ns=zero_ns, ahead_ns=ahead_ns)
        loop.set_zero(zero_ns)
        loop.on_turn = self._faults.watch
        self._rapl = Rapl()
        self._source.begin()
        self._faults.begin()

    def _serve(self) -> int:
        """Serve every request and see faults to their end; returns when the last was settled."""
        loop, faults = self._loop, self._faults
        loop.run(lambda: self._source.finished)
        settled_ns, self._energy = self._source.settled_ns, self._rapl.spent()
        enough = time.monotonic() + DRAIN_S
        most = enough + SETTLE_S + self._scenario.cluster.heartbeat_timeout_ms / 1e3
        loop.run(
            lambda: time.monotonic() > enough and (not faults.pending or time.monotonic() > most)
        )
        return settled_ns

    def _say_goodbye(self) -> set[str]:
        """Have the reports of all that are up; returns who is about to leave."""
        loop = self._loop
        self._end_ns = loop.clock_ns()
        loop.on_turn = lambda: None
        self._faults.finish()
        up = {n: at for n, at in self._faults.up.items() if self._fleet.reachable(at)}
        for where in up.values():
            loop.tell(where, "finish")
        self._collect(up)
        if isinstance(loop, CentreLoop):
            self._reports[HUB] = loop.centre.report()
            return set(up.values())
        loop.tell(HUB, "finish")
        self._collect({HUB: HUB})
        if HUB not in self._reports:
            raise ExecutionError("the hub died during the run; run the cell in virtual time")
        return {HUB, *up.values()}

    def _request_started(self, request: int) -> None:
        self._rapl.note()
        self._faults.request_started(request)
        self._report(request)

    def _on_system(self, packet: System) -> None:
        if packet.kind == "report":
            self._reports[packet.name] = packet.info
        elif packet.kind == "spans":
            self._spans += msgspec.convert(packet.info["spans"], list[Span])
        else:
            self._faults.on_system(packet)

    def _await_ready(self) -> None:
        end = time.monotonic() + START_S

        def done() -> bool:
            missing = self._fleet.names - self._faults.ready.keys() - {HUB}
            dead = [n for n in missing if self._fleet.exit_code(n) is not None]
            if dead or (missing and time.monotonic() > end):
                names = sorted({device_at(where) for where in dead or missing})
                raise ExecutionError(
                    f"start: no word from {', '.join(names)}; "
                    "see the messages above, or run the cell in virtual time"
                )
            return not missing

        self._loop.run(done)

    def _collect(self, addresses: Mapping[str, str]) -> None:
        """Wait for reports; a process that ends without one is waited for no longer."""
        last = time.monotonic() + START_S
        end = 0.0

        def done() -> bool:
            nonlocal end
            now = time.monotonic()
            missing = [where for name, where in addresses.items() if name not in self._reports]
            if any(self._fleet.reachable(where) for where in missing):
                end = min(now + REPORT_S, last)
            return not missing or now > end

        self._loop.run(done)

    # Results

    def _outcome(self, settled_ns: int) -> Outcome:
        loop, source = self._loop, self._source
        hub = self._reports.pop(HUB)
        accounts = hub["accounts"] | {self._faults.up[n]: r for n, r in self._reports.items()}
        self._faults.settle(hub, accounts)
        for report in self._reports.values():
            source.ledger.absorb({int(row): tuple(s) for row, s in report["spent"].items()})
        for loss in msgspec.convert(hub["losses"], list[Loss]):
            source.ledger.lost(loss)
        counted = ("stale", "corrupt", "foreign")
        total = {name: sum(a[name] for a in accounts.values()) for name in counted}
        busy_ns = Counter({SOURCE: loop.busy_ns})
        for where, account in accounts.items():
            busy_ns[device_at(where)] += account["busy_ns"]
        fidelity = None
        if self._dilated:
            timed = [{"events": loop.events, "overruns": loop.overruns}, hub, *accounts.values()]
            overruns = sum(t["overruns"] for t in timed) / max(sum(t["events"] for t in timed), 1)
            pinning, threads, density, _ = self._machine
            fidelity = Fidelity("", overruns, None, None, density, pinning=pinning, threads=threads)
        if self._timeline is not None:
            self._spans += self._timeline.spans()
        return Outcome(
            records=source.ledger.records(),
            duration_ns=settled_ns,
            busy_ns=dict(busy_ns),
            trace_sha256=None,
            faults=self._log.lines(self._end_ns),
            fidelity=fidelity,
            stale_messages=loop.stale + hub["stale"] + total["stale"],
            lost_messages=hub["lost"],
            corrupt_messages=source.corrupt_messages + total["corrupt"],
            foreign_messages=loop.foreign + hub.get("foreign", 0) + total["foreign"],
            warnings=(
                *self._warnings,
                *self._faults.warnings,
                *self._log.warnings(),
                *self._fleet.warnings(),
            ),
            energy=self._energy,
            # All by the monotonic clock, which the processes of a machine share.
            spans=in_order(self._spans),
        )
