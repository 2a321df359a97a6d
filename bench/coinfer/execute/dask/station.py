"""What a Dask worker does for a run; a cell runs in a process below it, as on one machine."""

from __future__ import annotations

import multiprocessing
import pickle
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from distributed import Event, Queue, Status, Worker, get_client, get_worker

import coinfer
from coinfer.execute.dask.foundation import digest_of
from coinfer.execute.local import run_cells
from coinfer.execute.prepare import artifacts_of
from coinfer.execute.training import train
from coinfer.execute.worker import Progress
from coinfer.store import Environment, capture
from coinfer.suite import Cell
from coinfer.training import Packed, Zoo
from coinfer.training import Progress as TrainingProgress

PROGRESS_S: Final = 0.5
"""Shortest time between two reports: each is a message to the scheduler."""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Greeting:
    """What a worker says of itself.

    Attributes
    ----------
    machine : str
        Host name.
    boot : str
        The same for every process of a machine, whatever its host name (containers).
    coinfer : str
    environment : Environment
    resources : dict of str to float
        What it was started with, or took.
    digests : dict of str to str or None
        Of what was asked about, see `digest_of`.
    lacking : tuple of str
        Addresses that its zoo does not have.
    other : tuple of str
        Addresses under which its zoo has other weights.
    """

    machine: str
    boot: str
    coinfer: str
    environment: Environment
    resources: dict[str, float]
    digests: dict[str, str | None]
    lacking: tuple[str, ...]
    other: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """Cells for one worker, one after another.

    Attributes
    ----------
    number : str
        Of this order alone.
    mail : str
        Queue for whatever is to be told.
    cells : tuple of Cell
    timeout_s : float or None
        For each of the cells.
    """

    number: str
    mail: str
    cells: tuple[Cell, ...]
    timeout_s: float | None


class UnwantedError(Exception):
    """The order was taken back, or the worker is to end."""


def greet(labels: Sequence[str], stock: Mapping[str, str], dask_worker: Worker) -> Greeting:
    """Say what this worker is, and what it has of what a run rests on.

    Parameters
    ----------
    labels : sequence of str
        See `digest_of`.
    stock : mapping of str to str
        Digests of weights by address.
    dask_worker : Worker
        Given by Dask.
    """
    zoo = Zoo()
    held = {address: zoo.get(address) for address in stock}
    other = [a for a, found in held.items() if found and found.weights_sha256 != stock[a]]
    return Greeting(
        machine=platform.node(),
        boot=_BOOT_ID.read_text() if _BOOT_ID.exists() else platform.node(),
        coinfer=coinfer.__version__,
        environment=_environment(),
        resources=dict(dask_worker.state.total_resources),
        digests={label: digest_of(label) for label in labels},
        lacking=tuple(address for address, found in held.items() if found is None),
        other=tuple(other),
    )


@cache
def _environment() -> Environment:
    return capture()


def receive(address: str, packed: Packed) -> None:
    """Put an artifact into the zoo of this machine."""
    Zoo().unpack(address, packed)


async def offer(resource: str, quantity: float, dask_worker: Worker) -> None:
    """Offer so much of a resource from now on: orders that ask for it may come here, or not."""
    await dask_worker.set_resources(**{resource: quantity})


def run_order(order: Order) -> bool:
    """Run the cells of an order; every one is mailed as soon as it has ended.

    Returns
    -------
    bool
        False where the order had begun before, on a worker that was lost.
    """
    post = Post(order)
    if post.begun_before():
        return False
    # The nanny's children may have none of their own, lest those stay behind when it ends them;
    # ours end by themselves with the process that asked for them.
    multiprocessing.current_process().daemon = False
    running = run_cells(
        order.cells, workers=1, timeout_s=order.timeout_s, on_progress=post.progress
    )
    with closing(running):
        for finished in running:
            post.send(finished._replace(machine=platform.node()))
    return True


def train_order(order: Order, known: frozenset[str]) -> bool:
    """Train what the cells of an order need; mails every artifact that is not `known`."""
    post = Post(order)
    if post.begun_before():
        return False
    train(order.cells, post.progress)
    zoo = Zoo()
    for address in sorted(artifacts_of(order.cells).keys() - known):
        post.send((address, zoo.pack(address)))
    return True


class Post:
    """The way back from an order that is being carried out."""

    def __init__(self, order: Order) -> None:
        self._worker = get_worker()
        self._key = self._worker.get_current_task()
        self._number = order.number
        client = get_client()
        self._begun = Event(order.number, client=client)
        self._mail = Queue(order.mail, client=client)
        self._told_s = float("-inf")

    def begun_before(self) -> bool:
        """Whether this order was lost with another worker; else it has begun now.

        What was mailed from there has arrived, so that the rest is for its sender to order anew.
        """
        if self._begun.is_set():
            return True
        self._begun.set()
        return False

    def send(self, message: Any) -> None:
        """Mail something; returns when the scheduler has it."""
        self._check()
        self._mail.put(pickle.dumps((self._number, message)))

    def progress(self, at: Progress | TrainingProgress) -> None:
        """Mail how far it is, now and then."""
        self._check()
        now = time.monotonic()
        last = isinstance(at, TrainingProgress) and at.done
        if last or now - self._told_s >= PROGRESS_S:
            self._told_s = now
            self.send(at)

    def _check(self) -> None:
        """Stop where nobody waits any more: Dask does not interrupt a task that runs."""
        task = self._worker.state.tasks.get(self._key)
        executing = task is not None and task.state == "executing"
        if not executing or self._worker.status != Status.running:
            raise UnwantedError(self._key)
