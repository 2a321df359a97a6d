"""Work shared among processes that have one zoo: first what no other process is at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from coinfer.training.locks import BusyError
from coinfer.training.zoo import Zoo

T = TypeVar("T")


def free_first(zoo: Zoo, makes: Sequence[Callable[[], T]]) -> list[T]:
    """Results of several makings, in order, whatever the order in which they are made.

    What another process is at is left for later; it is waited for when nothing else is left.

    Parameters
    ----------
    zoo : Zoo
        Where all of them look and put; told not to wait while there is something else to do.
    makes : sequence of callable

    Raises
    ------
    BusyError
        If others are at all that is left, and the zoo was told before not to wait for them.
    """
    found: dict[int, T] = {}
    waits = zoo.waits
    while left := [n for n in range(len(makes)) if n not in found]:
        zoo.waits = False
        try:
            for n in left:
                with suppress(BusyError):
                    found[n] = makes[n]()
        finally:
            zoo.waits = waits
        if not found.keys() & set(left):
            found[left[0]] = makes[left[0]]()
    return [found[n] for n in range(len(makes))]
