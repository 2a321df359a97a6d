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
        None: the next query starts when all requests of the last one are settled.
    deadline_ns : int
    query : int
        Requests that arrive together where there are no arrival times.
    queue_limit : int or None
        Most unsettled requests that the source keeps.
    drop_oldest : bool
        Whether it is the oldest request that fails when there would be more, or the new one.
    warm_up : int
        So many first requests are marked, to be left out of figures.
    """

    images: FloatArray
    items: tuple[int, ...]
    labels: tuple[int, ...]
    arrivals_ns: list[int] | None
    deadline_ns: int
    query: int = 1
    queue_limit: int | None = None
    drop_oldest: bool = False
    warm_up: int = 0


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

    @property
    def over(self) -> bool:
        """Whether every row that the job will have is settled."""
        return not self.unsettled and len(self.rows) == self.job.size
