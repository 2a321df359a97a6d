"""The board's side: dials in, gets ready, starts and ends processes as it is told."""

from __future__ import annotations

import itertools
import logging
import secrets
import signal
import time
from typing import Any, Final, NoReturn, Protocol

import zmq

from coinfer.contract import ModuleRef, Stage
from coinfer.errors import CoinferError, UsageError
from coinfer.runtime.boards import notes
from coinfer.runtime.boards.blueprint import built
from coinfer.runtime.boards.code import code_sha256
from coinfer.runtime.boards.facts import facts, temperature_c
from coinfer.runtime.realtime.fleet import Fleet
from coinfer.runtime.realtime.packets import address
from coinfer.runtime.realtime.remote import Remote
from coinfer.runtime.realtime.setup import Setup
from coinfer.runtime.realtime.transport import OPTIONS
from coinfer.runtime.reference import REFERENCE_MACS, reference_kernel, speed_ns
from coinfer_kernels import backend

log = logging.getLogger("coinfer.device")

TICK_MS: Final = 50
"""How often processes are looked at."""

SAY_S: Final = 0.5
"""How often is said what has to be said again: that one would join, what is lacking, that one is
there."""

PATIENCE_S: Final = 30.0
"""Silence of the other end after which a board gives a run up and dials in anew."""


class Weights(Protocol):
    """Where weights are kept, and modules built from them."""

    def check(self, refs: list[ModuleRef]) -> None:
        """Refuse what may not be built here."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether a file of weights is there."""
        ...

    def put(self, sha256: str, content: bytes) -> None:
        """Keep a file of weights, if it is the one."""
        ...

    def __call__(self, ref: ModuleRef) -> Any:
        """Build a module with its weights."""
        ...


def take_part(name: str, endpoint: str, remote: Remote, weights: Weights, release: str) -> NoReturn:
    """Take part in runs, one after another, under one name: dials in again and again.

    Parameters
    ----------
    name : str
    endpoint : str
        Where the source listens.
    remote : Remote
        Keys of this board, and that of the host.
    weights : Weights
    release : str
        Version of the suite.

    Raises
    ------
    UsageError
        If the host refuses this board.
    """
    while True:
        visit = _Visit(name, endpoint, remote, weights, release)
        try:
            visit.run()
        finally:
            visit.end()


class _Visit:
    """From dialling in until nothing more is wanted."""

    def __init__(
        self, name: str, endpoint: str, remote: Remote, weights: Weights, release: str
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._remote = remote
        self._weights = weights
        self._join = notes.Join(notes.PROTOCOL, release, code_sha256(), facts())
        self._numbers = itertools.count(1)
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(zmq.DEALER)
        for option, value in OPTIONS:
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # What cannot be sent yet is not worth keeping.
        socket.setsockopt(zmq.MAXMSGSIZE, notes.MOST_TO_BOARD_BYTES)
        socket.setsockopt(zmq.IDENTITY, notes.lobby_identity(name, secrets.token_hex(8)))
        remote.prepare(socket)
        socket.connect(endpoint)
        self._setup: Setup | None = None
        self._fleet: Fleet | None = None
        self._lacking: dict[str, bytearray] = {}
        self._seen: dict[int, notes.Process] = {}
        self._next_s = self._heard_s = time.monotonic()
        self._joined = self._over = False

    def run(self) -> None:
        """Do what is asked until it is over, or nobody is heard any more."""
        while True:
            if self._socket.poll(TICK_MS):
                self._hear(notes.to_board(self._socket.recv()))
            if self._over:
                return
            now = time.monotonic()
            if now >= self._next_s:
                self._next_s = now + SAY_S
                self._say_again()
            self._look()
            if self._joined and now - self._heard_s > PATIENCE_S:
                log.warning("nothing was heard for %g s: dialling in anew", PATIENCE_S)
                return

    def end(self) -> None:
        """End all processes and free the socket."""
        if self._fleet is not None:
            self._fleet.end()
        # The last word has to get out.
        self._context.destroy(linger=200)

    def _say(self, body: notes.FromBoard) -> None:
        try:
            self._socket.send(notes.encode(notes.Numbered(next(self._numbers), body)), zmq.NOBLOCK)
        except zmq.Again:  # Not connected: what matters is said again.
            log.debug("not connected")

    def _say_again(self) -> None:
        if not self._joined:
            self._say(self._join)
            return
        self._say(notes.Alive(temperature_c()))
        self._ask()

    def _hear(self, note: notes.ToBoard) -> None:
        if isinstance(note, notes.Refusal):
            raise UsageError(f"{self._endpoint} refuses this device: {note.reason}")
        self._joined, self._heard_s = True, time.monotonic()
        match note:
            case notes.Deploy(blueprint):
                self._deploy(blueprint)
            case notes.Chunk():
                self._take(note)
            case notes.Begin():
                self._begin(note)
            case notes.Signal(birth, number):
                self._signal(birth, signal.Signals(number))
            case notes.Echo(number, _, wanted_bytes):
                self._say(notes.Echo(number, bytes(wanted_bytes)))
            case notes.Measure():
                self._say(notes.Speed(speed_ns(reference_kernel()), REFERENCE_MACS))
            case notes.Over():
                self._say(note)
                self._over = True
            case notes.Again():
                self._over = True

    # Getting ready

    def _deploy(self, blueprint: bytes) -> None:
        try:
            setup = built(blueprint, self._endpoint, self._remote, self._weights)
            mine = _mine(setup, self._name)
            self._weights.check([stage.module for stage in mine])
        except (CoinferError, ValueError) as error:
            self._say(notes.Failed(str(error)[:4000]))
            return
        kernels = setup.kernels
        if kernels not in backend.available():
            kernels = "reference"  # NumPy alone: the same frames, slower.
        log.info("a run of %d requests; stages: %s", setup.requests, [s.id for s in mine])
        self._setup = setup._replace(kernels=kernels)
        needed = {s.module.weights_sha256 for s in mine if s.module.weights_sha256 is not None}
        self._lacking = {sha: bytearray() for sha in sorted(needed) if not self._weights.has(sha)}
        self._ask()

    def _ask(self) -> None:
        """Ask for the next piece of what is lacking, or say that nothing is."""
        if self._setup is None or self._fleet is not None:
            return
        for sha256, content in self._lacking.items():
            self._say(notes.Want(sha256, len(content)))
            return
        self._say(notes.Prepared(self._setup.kernels))

    def _take(self, chunk: notes.Chunk) -> None:
        content = self._lacking.get(chunk.sha256)
        if content is None or chunk.offset != len(content):
            return  # It was asked for twice.
        content += chunk.content
        if len(content) >= chunk.size:
            try:
                self._weights.put(chunk.sha256, bytes(content))
            except CoinferError as error:
                log.warning("%s", error)
                content.clear()
                return
            del self._lacking[chunk.sha256]
        self._ask()

    # Processes

    def _begin(self, begin: notes.Begin) -> None:
        if self._setup is None:
            return
        if self._fleet is None:
            self._fleet = Fleet(self._setup, devices=[self._name])
        zero_ns = None if begin.age_ns is None else time.monotonic_ns() - begin.age_ns
        if begin.birth not in self._seen:
            self._fleet.call(self._name, begin.birth, zero_ns)
            self._seen[begin.birth] = notes.Process(begin.birth)

    def _signal(self, birth: int, what: signal.Signals) -> None:
        if self._fleet is not None and birth in self._seen:
            self._fleet.send(address(self._name, birth), what)

    def _look(self) -> None:
        """Tell what has become of processes."""
        for birth, before in self._seen.items():
            assert self._fleet is not None
            where = address(self._name, birth)
            code = self._fleet.exit_code(where)
            now = notes.Process(birth, code, code is None and self._fleet.stopped(where))
            if now != before:
                self._seen[birth] = now
                self._say(now)


def _mine(setup: Setup, name: str) -> list[Stage]:
    """Stages of this board.

    Raises
    ------
    ValueError
        If the run has no such device.
    """
    topology = setup.topology()
    if name not in topology.on:
        raise ValueError(f"the run has no device {name!r}")
    return list(topology.stages_on(name).values())
