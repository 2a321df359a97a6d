"""Starts the processes of a run, is its source, and ends the processes whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final

import msgspec

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from coinfer.errors import ExecutionError
from coinfer.runtime.realtime.loop import Loop, sharpen_timers
from coinfer.runtime.realtime.processes import Setup, run_device, run_hub
from coinfer.runtime.realtime.source_loop import SourceLoop, WithFaults
from coinfer.runtime.realtime.transport import DealerPort, RouterPort, System
from coinfer.runtime.record import Fidelity, Outcome
from coinfer.runtime.runner import Build, Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Loss

START_S: Final = 120.0
"""Longest wait for all processes to be ready."""

DRAIN_S: Final = 0.3
"""How long late messages are still accounted for after the last request is settled."""

PRELOAD: Final = ("torch", "coinfer.runtime.realtime.processes")
"""What the server that forks our processes imports first; it must not run an operator."""

THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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
    """

    def __init__(
        self,
        scenario: Scenario,
        build: Build,
        *,
        dilated: bool,
        on_request: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._scenario = scenario
        self._build = build
        self._dilated = dilated
        self._report = on_request
        self._devices = tuple(d.name for d in scenario.cluster.devices)
        self._processes: dict[str, ForkServerProcess] = {}
        self._ready: dict[str, dict[str, Any]] = {}
        self._reports: dict[str, dict[str, Any]] = {}
        self._faults: list[dict[str, Any]] = []
        self._now: Callable[[], int]

    def run(self) -> Outcome:
        """Run the scenario.

        Raises
        ------
        ExecutionError
            If a process does not start or dies without having been told to.
        """
        folder = Path(tempfile.mkdtemp(prefix="coinfer-"))
        try:
            return self._run(f"ipc://{folder}/hub")
        finally:
            self._end()
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, endpoint: str) -> Outcome:
        scenario = self._scenario
        setup = Setup(
            run=secrets.randbits(32),
            endpoint=endpoint,
            cluster=scenario.cluster,
            seed=scenario.seed,
            dilated=self._dilated,
            stages=scenario.deployment.stages,
            replicas=scenario.deployment.replicas,
            input_shape=scenario.load.images.shape[1:],
            encoding=scenario.encoding,
            kernels=scenario.backend.name,
            costs=scenario.costs,
            build=self._build,
        )
        pinning = self._start(setup)
        sharpen_timers()
        port = DealerPort(endpoint, SOURCE) if self._dilated else RouterPort(endpoint)
        try:
            loop = SourceLoop(port, setup, self._devices)
            source = self._source(loop)
            loop.on_system = lambda packet: self._system(packet, loop, source)
            self._await(loop, self._ready, set(self._devices), "start")
            zero_ns = time.monotonic_ns() + 20_000_000
            loop.broadcast("go", zero_ns=zero_ns)
            loop.set_zero(zero_ns)
            source.begin()
            for fault in scenario.faults:
                if fault.at_ns is not None:
                    loop.set_timer(fault.at_ns, fault)
            loop.run(lambda: source.finished)
            settled_ns = source.settled_ns
            end = time.monotonic() + DRAIN_S
            loop.run(lambda: time.monotonic() > end)
            loop.broadcast("finish")
            alive = self._alive()
            self._await(loop, self._reports, alive, "report")
            if self._dilated:
                loop.system("hub", "finish", "hub")
                self._await(loop, self._reports, {"hub"}, "report")
        finally:
            port.close()
        dropped = loop.foreign + port.dropped
        return self._outcome(loop, source, settled_ns, [*pinning, *self._deaths(alive)], dropped)

    def _source(self, loop: SourceLoop) -> SourceReactor:
        scenario = self._scenario
        topology = Topology.of(scenario.deployment, scenario.cluster, modelled=self._dilated)
        runner = Runner(self._build, memo=False)
        for name in topology.on[SOURCE]:
            runner.prepare(topology.stages[name])
        source = SourceReactor(
            topology, scenario.load, scenario.encoding, runner, loop, self._request_started
        )
        loop.reactor = WithFaults(source, self._inject)
        self._now = loop.clock_ns
        return source

    # Processes

    def _start(self, setup: Setup) -> list[str]:
        for name in THREADS:
            os.environ.setdefault(name, "1")
        context: ForkServerContext = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*PRELOAD, self._build.__module__])
        cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        pinned = len(self._devices) <= len(cpus) - 1
        if self._dilated:
            self._processes["hub"] = context.Process(
                target=run_hub, args=(setup,), name="coinfer hub", daemon=True
            )
        for place, name in enumerate(self._devices):
            cpu = cpus[1 + place] if pinned else None
            self._processes[name] = context.Process(
                target=run_device, args=(setup, name, cpu), name=f"coinfer {name}", daemon=True
            )
        for process in self._processes.values():
            process.start()
        return [] if pinned else ["pinning: none: fewer cores than devices + 1"]

    def _alive(self) -> set[str]:
        return {name for name in self._devices if self._processes[name].is_alive()}

    def _deaths(self, alive: set[str]) -> list[str]:
        """Devices that ended without a fault that asks for it."""
        killed = {fault["target"] for fault in self._faults}
        return [
            f"device {name} died by itself (exit code {self._processes[name].exitcode})"
            for name in self._devices
            if name not in alive | killed
        ]

    def _end(self) -> None:
        """Leave no process behind."""
        for process in self._processes.values():
            if process.pid is not None:
                process.join(0.2)
                if process.is_alive():
                    process.kill()
                process.join()

    def _await(self, loop: Loop, answers: dict[str, Any], names: set[str], what: str) -> None:
        end = time.monotonic() + START_S

        def done() -> bool:
            missing = names - answers.keys()
            dead = [n for n in missing if not self._processes[n].is_alive()]
            if dead or (missing and time.monotonic() > end):
                raise ExecutionError(
                    f"{what}: no word from {', '.join(sorted(dead or missing))}; "
                    "see the messages above, or run the cell in virtual time"
                )
            return not missing

        loop.run(done)

    # Faults

    def _request_started(self, request: int) -> None:
        for fault in self._scenario.faults:
            if fault.on_request == request:
                self._inject(fault)
        self._report(request)

    def _inject(self, fault: FaultEvent) -> None:
        """Kill the process for real; whether it landed is seen by its exit code."""
        process = self._processes[fault.target]
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        self._faults.append(
            {
                "kind": fault.kind,
                "target": fault.target,
                "injected_ns": self._now(),
                "detected_ns": None,
                "landed": False,
            }
        )

    def _system(self, packet: System, loop: SourceLoop, source: SourceReactor) -> None:
        if packet.kind == "ready":
            self._ready[packet.name] = packet.info
        elif packet.kind == "report":
            self._reports[packet.name] = packet.info
            spent = packet.info.get("spent", {})
            source.ledger.absorb({int(row): tuple(values) for row, values in spent.items()})
        elif packet.kind == "lost":
            loop.now_ns = loop.clock_ns()
            for fault in self._faults:
                if fault["target"] == packet.name and fault["detected_ns"] is None:
                    fault["detected_ns"] = loop.now_ns
            source.on_peer(packet.name, alive=False)

    # Results

    def _outcome(
        self,
        loop: Loop,
        source: SourceReactor,
        settled_ns: int,
        warnings: list[str],
        dropped: int,
    ) -> Outcome:
        for fault in self._faults:
            process = self._processes[fault["target"]]
            process.join(1.0)
            fault["landed"] = process.exitcode == -signal.SIGKILL
        counts = [
            (loop.events, loop.overruns),
            *((r["events"], r["overruns"]) for r in self._reports.values()),
        ]
        hub = self._reports.get("hub", {})
        for loss in msgspec.convert(hub.get("losses", []), list[Loss]):
            source.ledger.lost(loss)
        events, overruns = (sum(column) for column in zip(*counts, strict=True))
        fraction = overruns / max(events, 1)
        lost = [f["target"] for f in self._faults if not f["landed"]]
        warnings += [f"the crash of {name} was not seen to land" for name in lost]
        busy = {n: r["busy_ns"] for n, r in self._reports.items() if "busy_ns" in r}
        return Outcome(
            records=source.ledger.records(),
            duration_ns=settled_ns,
            busy_ns={SOURCE: loop.busy_ns, **busy},
            trace_sha256=None,
            faults=tuple(self._faults),
            fidelity=Fidelity("", fraction, None, None, self._density()) if self._dilated else None,
            stale_messages=dropped + sum(r["stale"] for r in self._reports.values()),
            lost_messages=hub.get("lost", 0),
            warnings=tuple(warnings),
        )

    def _density(self) -> float:
        """Real compute released together per core, over the shortest modelled compute."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        working = [r for r in self._ready.values() if r["modelled_ns"] > 0]
        if not working:
            return 0.0
        real_ns = sum(r["real_ns"] for r in working)
        return float(real_ns / cores / min(r["modelled_ns"] for r in working))
