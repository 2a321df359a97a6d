"""Trains what cells need and the zoo lacks: here, or in several processes that share the work."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeAlias

from coinfer.errors import CoinferError, ExecutionError
from coinfer.execute.forking import fork_context
from coinfer.execute.prepare import fitted, networks_key, prepare, teacher_of
from coinfer.execute.profiles import recipe_of
from coinfer.execute.tree import end_tree
from coinfer.execute.untrained import untrained
from coinfer.runtime.realtime.loop import die_with_parent
from coinfer.runtime.realtime.machine import cores
from coinfer.suite import Cell
from coinfer.training import OnProgress, Zoo, free_first, user_zoo
from coinfer_datasets import info

Make: TypeAlias = Callable[[Cell, OnProgress, Zoo], object]


def train(
    cells: Sequence[Cell], on_progress: OnProgress, *, workers: int = 1, anew: bool = False
) -> None:
    """Train every model that the cells need and the zoo lacks.

    Parameters
    ----------
    cells : sequence of Cell
    on_progress : callable
        Told where each training stands.
    workers : int
        Processes that train at a time, as far as there are networks for them. Each has its share
        of the cores; one alone trains in this process, with all of them.
    anew : bool
        Leave out what comes with the package: only the user's own zoo counts.

    Raises
    ------
    PlanError
        If no feasible plan exists.
    DatasetError
        If a data set is missing.
    ExecutionError
        If a process that trained was lost.
    """
    zoo = Zoo(shipped=user_zoo()) if anew else Zoo()
    if workers > 1:
        lacking = untrained(cells, zoo.shipped).cells
        # All that is distilled waits for its teacher: one alone had better have all cores.
        for make, apart in ((teacher_of, _teacher_key), (fitted, networks_key)):
            together = min(workers, len({apart(cell) for cell in lacking}))
            if together > 1:
                _share(make, lacking, on_progress, together, zoo)
            elif lacking:
                make(lacking[0], on_progress, zoo)
    for cell in cells:
        prepare(cell, on_progress, zoo)


def _teacher_key(cell: Cell) -> Hashable:
    return info(cell.dataset).base, recipe_of(cell).teacher, cell.train_seed


def _share(
    make: Make, cells: Sequence[Cell], on_progress: OnProgress, workers: int, zoo: Zoo
) -> None:
    """Have processes make something of cells; each knows all, and begins at another one."""
    context = fork_context()
    threads = max(1, cores() // workers)
    trainers: dict[Connection, BaseProcess] = {}
    try:
        for number in range(workers):
            mine, theirs = context.Pipe(duplex=False)
            first = number * len(cells) // workers
            order = [*cells[first:], *cells[:first]]
            arguments = (theirs, list(sys.path), make, order, threads, zoo.root, zoo.shipped)
            trainers[mine] = context.Process(target=_trainer, args=arguments, name="coinfer train")
            trainers[mine].start()
            theirs.close()
        while trainers:
            for connection in wait(list(trainers)):
                assert isinstance(connection, Connection)
                try:
                    heard = connection.recv()
                except (EOFError, OSError):
                    _check_ended(trainers.pop(connection))
                    continue
                if isinstance(heard, CoinferError):
                    raise heard
                on_progress(heard)
    finally:
        for trainer in trainers.values():
            if trainer.pid is not None:
                end_tree(trainer.pid)
                trainer.join()


def _check_ended(trainer: BaseProcess) -> None:
    trainer.join()
    if trainer.exitcode:
        raise ExecutionError(
            f"a process that trained models ended with exit code {trainer.exitcode}; whole epochs "
            "are kept, and the same command does the rest (-j 1 takes least memory)"
        )


def _trainer(
    told: Connection,
    path: list[str],
    make: Make,
    cells: Sequence[Cell],
    threads: int,
    *zoo_folders: Path,
) -> None:
    die_with_parent()
    # Who asked is interrupted, too, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = path
    import torch

    torch.set_num_threads(threads)
    zoo = Zoo(*zoo_folders)
    try:
        free_first(zoo, [partial(make, cell, told.send, zoo) for cell in cells])
    except CoinferError as error:
        told.send(error)
