"""What the source keeps of the work under way: the load and the open jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from coinfer.contract import FloatArray, Fusion, Job


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


@dataclass(slots=True)
class OpenJob:
    """A job until its last row is settled.

    Attributes
    ----------
    fed : set of str
        Devices that were sent the input.
    seen : dict of str to set of int
        Rows that have arrived, by stage.
    gone : set of str
        Devices that were lost while the job was open: nothing of it is to be expected of them,
        even where they are back.
    """

    job: Job
    fusion: Fusion
    opened_ns: int
    rows: list[int] = field(default_factory=list)
    unsettled: set[int] = field(default_factory=set)
    fed: set[str] = field(default_factory=set)
    seen: dict[str, set[int]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
