"""Who else can do what a kernel does, by the best use of what they make public.

A peer writes into memory that was made beforehand wherever its interface lets it, and gets its
views of that memory for nothing, although a received message would need them made anew. What a
reader must know (shape, scale) goes into a header of 64 bytes, written by `struct` or by the loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from bursts import Call


class Made(NamedTuple):
    """What a peer would have timed, and where the values are that it makes."""

    call: Call
    result: Callable[[], np.ndarray]


class Peer(NamedTuple):
    """A way to do one kernel without this library."""

    name: str
    make: Callable[..., Made]


_PEERS: dict[str, list[Peer]] = defaultdict(list)


def peer(name: str, *kernels: str, needs: str | None = None) -> Callable[[Any], Any]:
    """Enter a function that makes a peer of these kernels, if what it needs is installed.

    The function gets the name of the kernel and its inputs.
    """

    def enter(make: Callable[..., Made]) -> Callable[..., Made]:
        if needs is None or find_spec(needs) is not None:
            for kernel in kernels:
                _PEERS[kernel].append(Peer(name, make))
        return make

    return enter


def peers_of(kernel: str) -> list[Peer]:
    """Peers of one kernel that are installed here."""
    return _PEERS[kernel]


def kernels() -> list[str]:
    """Names of the kernels that have peers."""
    return list(_PEERS)
