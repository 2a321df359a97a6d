"""What a suite file may say, as types."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from coinfer.cluster import Cluster, FaultList, Workload

Encoding: TypeAlias = Literal[
    "raw",
    "fp16",
    "bf16",
    "int8",
    "int8-channel",
    "int4",
    "int4-channel",
    "int4-group32",
    "sparse-fp32",
    "sparse-fp16",
    "sparse-int8",
]
Kernels: TypeAlias = Literal["native", "numba", "reference"]
Mode: TypeAlias = Literal["virtual", "realtime", "native"]
Value: TypeAlias = str | int | float

SCHEMA: Final = 1
SEED_AXES: Final = ("train_seed", "run_seed", "repeat")
"""Axes whose values are draws of the same thing: they are averaged over, never compared."""


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every cell uses where no axis says otherwise.

    ``kernels`` follows the environment variable ``COINFER_KERNELS``, as the kernel library itself
    does, and is ``native`` without it. ``timeline`` names requests of which every computation and
    message is kept, as ``"0..9"`` or ``"3,95..104"``.
    """

    dataset: str = "digits"
    cluster: str = "mixed-4"
    faults: str = "none"
    encoding: Encoding = "raw"
    kernels: Kernels | None = None
    mode: Mode = "virtual"
    deadline_ms: float = 400.0
    train_seed: int = 0
    run_seed: int = 0
    repeat: int = 0
    workload: Workload = Workload()
    timeline: str | None = None
    allow_oversubscribed: bool = False


class Axes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Axes of the matrix; one that is left out has the one value of the defaults."""

    method: tuple[str, ...] | None = None
    dataset: tuple[str, ...] | None = None
    cluster: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    encoding: tuple[Encoding, ...] | None = None
    kernels: tuple[Kernels, ...] | None = None
    mode: tuple[Mode, ...] | None = None
    deadline_ms: tuple[float, ...] | None = None
    train_seed: tuple[int, ...] | None = None
    run_seed: tuple[int, ...] | None = None
    repeat: tuple[int, ...] | None = None


AXES: Final = Axes.__struct_fields__


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One comparison that answers the question, or part of it.

    Attributes
    ----------
    metric : str
    compare, against : str
        Two values of the axis ``by``.
    where : dict of str to value
        Which cells count: axis name to value.
    by : str
        The axis along which is compared.
    """

    metric: str
    compare: str
    against: str
    where: dict[str, Value] = {}
    by: str = "method"


class Findings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer that the report gives first, and what it adds."""

    headline: Finding | None = None
    also: tuple[Finding, ...] = ()


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite file.

    Attributes
    ----------
    schema : int
    name, question : str
    defaults : Defaults
    axes : Axes
    exclude : tuple of Axes
        Combinations that are left out: those with one of the values in every axis that is named.
    include : tuple of Axes
        Combinations beside them; an axis that is not named has the values of `axes`.
    method : dict of str to table
        Variants: ``base`` and parameters of that method.
    cluster : dict of str to Cluster
    faults : dict of str to FaultList
    report : Findings
    """

    schema: int
    name: str
    question: str
    axes: Axes
    defaults: Defaults = Defaults()
    exclude: tuple[Axes, ...] = ()
    include: tuple[Axes, ...] = ()
    method: dict[str, dict[str, Any]] = {}
    cluster: dict[str, Cluster] = {}
    faults: dict[str, FaultList] = {}
    report: Findings = Findings()


class Suite(Document, frozen=True, forbid_unknown_fields=True):
    """A suite that was read.

    Attributes
    ----------
    origin : str
        The file it came from, for messages; not part of what the suite says.
    """

    origin: str = "suite"
