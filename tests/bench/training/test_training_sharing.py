"""Work that processes share: each thing is made once, and nobody waits while there is another."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch

from coinfer.models import canonical_sha256
from coinfer.training import Artifact, Zoo, free_first
from coinfer.training.locks import BusyError, exclusive


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    return Zoo(tmp_path / "zoo", tmp_path / "zoo")


def inputs(number: int) -> dict[str, object]:
    return {"what": "made up", "number": number}


def put(zoo: Zoo, number: int) -> Artifact:
    return zoo.put(inputs(number), {"a": torch.zeros(2)}, {"number": number})


def made(zoo: Zoo, number: int, log: list[int]) -> int:
    """Find artifact `number`, or make it and say so."""

    def make() -> Artifact:
        log.append(number)
        return put(zoo, number)

    return int(zoo.find_or_make(inputs(number), make).record["number"])


@contextmanager
def another_at(zoo: Zoo, number: int, done: Callable[[], bool]) -> Iterator[None]:
    """Somebody else makes artifact `number`, and is ready when `done`."""
    begun = threading.Event()

    def make() -> None:
        lock = zoo.unfinished(canonical_sha256(inputs(number))).with_suffix(".lock")
        with exclusive(lock):
            begun.set()
            while not done():
                time.sleep(0.005)
            put(Zoo(zoo.root, zoo.root), number)

    other = threading.Thread(target=make)
    other.start()
    begun.wait()
    yield
    other.join()


def test_results_come_in_the_order_that_was_asked_for(zoo: Zoo) -> None:
    log: list[int] = []
    assert free_first(zoo, [partial(made, zoo, n, log) for n in (3, 1, 2)]) == [3, 1, 2]
    assert log == [3, 1, 2]
    assert free_first(zoo, []) == []
    assert zoo.waits


def test_what_another_is_at_comes_last_and_is_waited_for(zoo: Zoo) -> None:
    log: list[int] = []
    with another_at(zoo, 1, lambda: log == [2, 3]):
        found = free_first(zoo, [partial(made, zoo, n, log) for n in (1, 2, 3)])
    assert found == [1, 2, 3]
    assert log == [2, 3], "1 is the other's"


def test_a_part_that_has_to_wait_lets_the_rest_go_first(zoo: Zoo) -> None:
    """As an ensemble, whose members are made one by one, among other networks."""
    log: list[int] = []

    def members() -> list[int]:
        return free_first(zoo, [partial(made, zoo, n, log) for n in (1, 2)])

    with another_at(zoo, 1, lambda: log == [2, 3]):
        found = free_first(zoo, [members, lambda: [made(zoo, 3, log)]])
    assert found == [[1, 2], [3]]
    assert log == [2, 3]


def test_who_is_not_to_wait_is_told_so(zoo: Zoo) -> None:
    log: list[int] = []
    told = threading.Event()
    zoo.waits = False
    with another_at(zoo, 1, told.is_set):
        with pytest.raises(BusyError):
            free_first(zoo, [partial(made, zoo, n, log) for n in (1, 2)])
        told.set()
    assert log == [2], "what could be made was made"
    assert not zoo.waits


def test_a_failure_is_no_reason_to_forget_to_wait(zoo: Zoo) -> None:
    with pytest.raises(ZeroDivisionError):
        free_first(zoo, [lambda: 1 // 0])
    assert zoo.waits


def share(root: Path, order: list[int], ready: object, log: Path) -> None:
    zoo = Zoo(root, root)

    def make(number: int) -> Artifact:
        with log.open("a") as file:
            file.write(f"{number} {os.getpid()}\n")
        time.sleep(0.2)
        return put(zoo, number)

    ready.wait()  # type: ignore[attr-defined]
    free_first(zoo, [partial(zoo.find_or_make, inputs(n), partial(make, n)) for n in order])


def test_processes_make_each_thing_once_and_all_have_something_to_do(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, log, numbers = context.Barrier(3), tmp_path / "log", list(range(6))
    workers = [
        context.Process(target=share, args=(tmp_path / "zoo", numbers, ready, log))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert sorted(int(number) for number, _ in lines) == numbers
    assert len({pid for _, pid in lines}) == 3
