"""Lots go out, mail comes in: what is finished stays, and what a lost worker had goes out again."""

from __future__ import annotations

import pickle
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from distributed import Client, Event, Future, KilledWorker, Queue

from coinfer.errors import ExecutionError
from coinfer.execute.dask.crew import MACHINE, Crew
from coinfer.execute.dask.lots import Lot
from coinfer.execute.dask.station import Order, UnwantedError

TICK_S: Final = 0.1
"""How often the mail is looked after."""

REFRESH_S: Final = 1.0
"""How often is looked for workers that came or went."""

MOST_LOSSES: Final = 3
"""A lot that takes so many workers along may be what ends them."""

SHARE: Final = 1 / 1024
"""Of a resource, what many take at a time; sums of it are exact."""


class Trouble(NamedTuple):
    """Why a lot cannot be carried out."""

    error: str


def dispatch(
    client: Client,
    crew: Crew,
    waiting: Sequence[Lot],
    task: Callable[..., bool],
    timeout_s: float | None,
    *more: Any,
) -> Generator[tuple[Lot, Any], None, None]:
    """Have lots carried out by the crew; give each with what is mailed from it, or its trouble.

    Who takes the mail removes from a lot the cells that are done, or that are not to be tried
    again; what is left when its worker is lost is handed out once more.

    Parameters
    ----------
    client : Client
    crew : Crew
    waiting : sequence of Lot
    task : callable
        Runs on a worker with an `Order`; False where that had begun before, elsewhere.
    timeout_s : float or None
    *more : object
        Further arguments of `task`.
    """
    mail = Queue(f"coinfer-{uuid.uuid4()}", client=client)
    flying: dict[str, tuple[Lot, Future]] = {}

    def hand_out(lot: Lot) -> None:
        order = Order(str(uuid.uuid4()), mail.name, tuple(lot.cells), timeout_s)
        resources = {MACHINE: 1.0 if lot.exclusive else SHARE, crew.token: SHARE}
        future = client.submit(task, order, *more, key=order.number, resources=resources)
        flying[order.number] = lot, future

    refreshed_s = time.monotonic()
    try:
        for lot in waiting:
            hand_out(lot)
        while flying:
            time.sleep(TICK_S)
            # Looked at before the mail: whatever was sent from these is in it.
            over = [number for number, (_, future) in flying.items() if future.done()]
            with _scheduler_there(client):
                letters = mail.get(batch=True)
                if time.monotonic() - refreshed_s > REFRESH_S:
                    crew.refresh()
                    refreshed_s = time.monotonic()
            for number, message in map(pickle.loads, letters):
                if number in flying:
                    yield flying[number][0], message
            for number in over:
                lot, future = flying.pop(number)
                Event(number, client=client).clear()
                trouble = _trouble(lot, future)
                if trouble is not None:
                    yield lot, trouble
                if lot.cells:
                    hand_out(lot)
    finally:
        if client.status == "running":
            client.cancel([future for _, future in flying.values()])
            mail.close()


@contextmanager
def _scheduler_there(client: Client) -> Iterator[None]:
    """Tell of a scheduler that is lost in one line."""
    gone = ExecutionError(
        "the Dask scheduler is gone; what is done is kept, and the same command does the rest"
    )
    if client.status != "running":
        raise gone
    try:
        yield
    except OSError:
        raise gone from None


def _trouble(lot: Lot, future: Future) -> Trouble | None:
    """Why a lot that is over is not to go out as it is; one that was carried out is empty."""
    error = future.exception() if future.status == "error" else None
    if error is None and future.status == "finished" and future.result():
        lot.cells.clear()
        return None
    if error is None or isinstance(error, KilledWorker | UnwantedError):
        lot.losses += 1
        if lot.losses < MOST_LOSSES:
            return None
        lot.losses = 0
        return Trouble(f"{MOST_LOSSES} workers were lost while they were at it")
    return Trouble(f"{type(error).__name__}: {error}")
