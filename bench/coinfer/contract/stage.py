"""What is deployed: modules, stages, what they need, and where their replicas run.

Everything here is a plain immutable value. Nothing is pickled between machines: a module is
named by its builder, the builder's arguments and the digest of its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SOURCE: Final = "source"
"""Name of the device that owns the requests, decides and answers."""

INPUT: Final = "input"
"""Name under which the input rows of a job are needed and arrive, as if a stage had made them."""


@dataclass(frozen=True)
class ModuleRef:
    """A module by name: enough to build it on any machine that has the weights.

    Attributes
    ----------
    builder : str
        Import path ``package.module:function`` of a function that takes `arguments` as keywords
        and returns a ``torch.nn.Module`` whose ``forward`` takes the needs of its stage in order.
    arguments : Mapping[str, Any]
        JSON values only.
    weights_sha256 : str or None
        Digest of the safetensors file that holds the weights; None for a module without any.
    prefix : str
        Which entries of that file belong to this module (their names begin with ``prefix``,
        which is cut off before loading).
    """

    builder: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str | None = None
    prefix: str = ""


@dataclass(frozen=True)
class Slice:
    """A range along one axis of a stage's output, as (rows, …) with rows on axis 0.

    On axis 0 it picks rows by their place in the job (coding groups); on a later axis it picks
    part of every row (a stripe with its halo).
    """

    axis: int
    start: int
    stop: int


@dataclass(frozen=True)
class Need:
    """One input of a stage.

    Attributes
    ----------
    stage : str
        The stage whose output is needed, `INPUT`, or ``permit(gate)``.
    select : Slice or None
        Only this part is needed, and only this part travels.
    same_device : bool
        Taken from the replica on the same device; never travels.
    fill_after_ns : int or None
        If the need has not come this long after the first message of the job reached the device,
        zeros stand in for it.
    """

    stage: str
    select: Slice | None = None
    same_device: bool = False
    fill_after_ns: int | None = None


def permit(gate: str) -> str:
    """Name of the need that a ``Permit(gate)`` of the source satisfies; it carries no data.

    Examples
    --------
    >>> Need(permit("exit2"))
    Need(stage='permit:exit2', select=None, same_device=False, fill_after_ns=None)
    """
    return f"permit:{gate}"


def gate_of(need: Need) -> str | None:
    """Gate that a need waits for, or None where it needs data."""
    return need.stage.removeprefix("permit:") if need.stage.startswith("permit:") else None


@dataclass(frozen=True)
class Stage:
    """One step of computation, run without interruption.

    Attributes
    ----------
    id : str
    module : ModuleRef
    needs : tuple of Need
        Order is the order of the module's arguments; permits are left out of it.
    output : tuple of int
        Shape of one output row, without the row axis; outputs are float32.
    to_source : bool
        The output is sent to the source, where the fusion rule sees it.
    macs : int
        Multiply-accumulates for one row.
    weights_bytes, activation_bytes : int
        What the stage keeps resident, and its peak of activations for one row.
    merges_rows : bool
        The module turns all rows of a job into one (a parity code): its rows cannot leave singly.
    """

    id: str
    module: ModuleRef
    needs: tuple[Need, ...]
    output: tuple[int, ...]
    to_source: bool = True
    macs: int = 0
    weights_bytes: int = 0
    activation_bytes: int = 0
    merges_rows: bool = False


@dataclass(frozen=True)
class Now:
    """The replica starts as soon as its needs are there."""


@dataclass(frozen=True)
class After:
    """A hedge: the source starts the replica this long after the job began, if it is still open."""

    delay_ns: int


@dataclass(frozen=True)
class OnDemand:
    """The replica runs only when the fusion rule returns ``Start`` for it."""


@dataclass(frozen=True)
class Replica:
    """One placement of a stage."""

    stage: str
    device: str
    start: Now | After | OnDemand = Now()


@dataclass(frozen=True)
class Job:
    """The unit of work: one request or several.

    Attributes
    ----------
    id : int
    rows : tuple of int
        Request numbers, in order of arrival. In a coding group they come one by one, so early
        handlers may see fewer than ``size``.
    size : int
        How many rows the job will have when it is complete.
    """

    id: int
    rows: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Batching:
    """How requests become jobs at the source.

    Attributes
    ----------
    rows : int
        Largest number of requests in a job.
    wait_ns : int
        How long the first request of a job waits for more.
    eager : bool
        Rows are sent out as they arrive, instead of together when the job closes: for codes over
        several requests, where no request may wait for the next (ParM).
    """

    rows: int = 1
    wait_ns: int = 0
    eager: bool = False
