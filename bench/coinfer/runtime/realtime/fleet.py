"""The processes of a run: starts them, signals them, and leaves none behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final, Protocol

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from coinfer.runtime.realtime.packets import HUB, address
from coinfer.runtime.realtime.processes import run_device, run_hub
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import DealerPort, RouterPort

PRELOAD: Final = ("torch", "coinfer.runtime.realtime.processes")
"""What the server that forks our processes imports first; it must not run an operator."""

THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Processes(Protocol):
    """The processes of a run, wherever they are.

    Attributes
    ----------
    pinned : bool
        Whether each device has a core of its own.
    """

    pinned: bool

    @property
    def names(self) -> set[str]:
        """Addresses of all processes."""
        ...

    def start(self) -> DealerPort | RouterPort:
        """Start all first lives; returns the end of the source."""
        ...

    def call(self, device: str, birth: int, zero_ns: int | None = None) -> None:
        """Have the process of a life started soon; `zero_ns` is when the run began, if it has."""
        ...

    def have_ready(self, device: str, birth: int, zero_ns: int | None = None) -> None:
        """Start the process of a life that the plan of faults has a use for later on."""
        ...

    def send(self, where: str, what: signal.Signals) -> None:
        """Send a signal to a process, unless it is gone."""
        ...

    def stopped(self, where: str) -> bool:
        """Whether a process is seen to be stopped."""
        ...

    def exit_code(self, where: str) -> int | None:
        """Exit code of a process, None while it runs, or is about to."""
        ...

    def reachable(self, where: str) -> bool:
        """Whether a process can be expected to say something still."""
        ...

    def returned(self) -> set[str]:
        """Devices that have come back by themselves since this was asked last."""
        ...

    def warnings(self) -> list[str]:
        """What has to be told of them."""
        ...

    def end(self, leaving: Iterable[str] = ()) -> None:
        """Leave no process behind, and close the end of the source."""
        ...


class Fleet:
    """On this machine: a process for every life of every device, and one for the hub.

    Where time is emulated, the next life of a device that is to come back stands ready before it
    is needed: what a process takes to start on this machine is no part of the model.

    Parameters
    ----------
    setup : Setup
    faults : iterable of FaultEvent
        Planned for the run.
    devices : iterable of str, optional
        Those of the cluster that are here; all.
    """

    def __init__(
        self,
        setup: Setup,
        faults: Iterable[FaultEvent] = (),
        devices: Iterable[str] | None = None,
    ) -> None:
        for name in THREADS:
            os.environ.setdefault(name, "1")
        self._setup = setup
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*PRELOAD, setup.build.__module__])
        self._rejoins = Counter(f.target for f in faults if f.kind == "rejoin")
        self._processes: dict[str, ForkServerProcess] = {}
        # To start a process takes tens of milliseconds, which a run does not have.
        self._starter = ThreadPoolExecutor(1, "starter")
        self._starts: dict[str, Future[None]] = {}
        self._port: DealerPort | RouterPort | None = None
        names = setup.cluster.names if devices is None else tuple(devices)
        cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.pinned = len(names) <= len(cpus) - 1
        self._cpus = dict(zip(names, cpus[1:], strict=False)) if self.pinned else {}

    @property
    def names(self) -> set[str]:
        """Addresses of all processes."""
        return set(self._processes)

    def start(self) -> DealerPort | RouterPort:
        """Start all first lives, and the second ones that stand ready."""
        if self._setup.dilated:
            self._processes[HUB] = hub = self._context.Process(
                target=run_hub, args=(self._setup,), name="coinfer hub", daemon=True
            )
            hub.start()
        for name in self._setup.cluster.names:
            self.call(name, 0)
        for name in self._setup.cluster.names:
            self.have_ready(name, 1)
        for start in self._starts.values():
            start.result()
        setup = self._setup
        # What a fork would take along is made after the last one.
        port = setup.dial(SOURCE) if setup.dilated else RouterPort(setup.endpoint, setup.gate())
        self._port = port
        return port

    def call(self, device: str, birth: int, zero_ns: int | None = None) -> None:
        """Have the process of a life started soon; `zero_ns` is when the run began, if it has."""
        where = address(device, birth)
        if where not in self._processes:
            self._processes[where] = process = self._context.Process(
                target=run_device,
                args=(self._setup, device, birth, self._cpus.get(device), zero_ns),
                name=f"coinfer {device}",
                daemon=True,
            )
            self._starts[where] = self._starter.submit(process.start)

    def have_ready(self, device: str, birth: int, zero_ns: int | None = None) -> None:
        """Start the process of a life that the plan of faults has a use for later on."""
        if self._setup.dilated and birth <= self._rejoins[device]:
            self.call(device, birth, zero_ns)

    def send(self, where: str, what: signal.Signals) -> None:
        """Send a signal to a process, unless it is gone."""
        self._starts[where].result()
        process = self._processes[where]
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, what)

    def stopped(self, where: str) -> bool:
        """Whether a process is seen to be stopped."""
        pid = self._processes[where].pid
        return pid is not None and _is_stopped(pid)

    def exit_code(self, where: str) -> int | None:
        """Exit code of a process, None while it runs, or is about to."""
        process = self._processes[where]
        return None if process.is_alive() else process.exitcode

    def reachable(self, where: str) -> bool:
        """Whether a process can be expected to say something still."""
        return self.exit_code(where) is None

    def returned(self) -> set[str]:
        """None: nobody starts a process here but the run."""
        return set()

    def warnings(self) -> list[str]:
        """Nothing."""
        return []

    def end(self, leaving: Iterable[str] = ()) -> None:
        """Leave no process behind; those that are about to leave are given a moment."""
        if self._port is not None:
            self._port.close()
        self._starter.shutdown()
        for where in leaving:
            self._processes[where].join(0.2)
        for process in self._processes.values():
            if process.is_alive():
                process.kill()
        for process in self._processes.values():
            if process.pid is not None:
                process.join()


def _is_stopped(pid: int) -> bool:
    """Whether a process is stopped, by /proc where there is one: a board has no psutil."""
    if Path("/proc/self/stat").exists():
        try:
            told = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        # The state comes after the name, which is in brackets and may hold anything.
        return told.rpartition(")")[2].split()[0] == "T"
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False
