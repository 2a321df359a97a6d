"""What the source keeps of the work under way: the load, open jobs, and steps of thought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from coinfer.contract import Action, FloatArray, Fusion, Job
from coinfer.runtime.meter import Meter
from coinfer.runtime.wire import Body, Path


class Load(NamedTuple):
    """What is asked of the system.

    Attributes
    ----------
    images : ndarray of float32, shape (requests, …)
        One normalised input a request.
    items, labels : tuple of int
    arrivals_ns : list of int or None
        None: the next request starts when the last one is settled.
    deadline_ns : int
    """

    images: FloatArray
    items: tuple[int, ...]
    labels: tuple[int, ...]
    arrivals_ns: list[int] | None
    deadline_ns: int


@dataclass
class OpenJob:
    """A job until its last row is settled."""

    job: Job
    fusion: Fusion
    opened_ns: int
    rows: list[int] = field(default_factory=list)
    unsettled: set[int] = field(default_factory=set)
    fed: set[str] = field(default_factory=set)
    seen: dict[str, set[int]] = field(default_factory=dict)


class Outcome(NamedTuple):
    """What one step of thought leads to."""

    actions: tuple[Action, ...] = ()
    sends: tuple[tuple[str, Body], ...] = ()


@dataclass
class View:
    """What the fusion rule may ask during one step."""

    now_ns: int
    kernels: Meter
    lost: set[str]

    def alive(self, device: str) -> bool:
        """Whether the source believes the device to be alive."""
        return device not in self.lost


class Step(NamedTuple):
    """A computation of the source that waits for its turn."""

    job: OpenJob
    path: Path
    at_ns: int
    think: Callable[[View], Outcome]
