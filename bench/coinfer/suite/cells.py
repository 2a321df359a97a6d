"""From axes to cells: every combination, in an order that is fair in time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

import msgspec

from coinfer.cluster import CLUSTERS, FAULTS, Cluster, FaultList, Workload
from coinfer.cluster import expand as expand_faults
from coinfer.errors import ClusterError, SuiteError, UsageError, hint
from coinfer.suite.load import check_values
from coinfer.suite.matrix import narrowed, places, points
from coinfer.suite.overrides import parse_requests
from coinfer.suite.schema import AXES, Kernels, Suite, Value
from coinfer.suite.typed import typed

T = TypeVar("T")


class MethodChoice(msgspec.Struct, frozen=True):
    """A method as one cell uses it.

    Attributes
    ----------
    variant : str
        Name in the suite.
    base : str
        Name in the registry of methods.
    parameters : dict of str to JSON value
        All parameters of the method, defaults filled in.
    """

    variant: str
    base: str
    parameters: dict[str, Any]


class Cell(msgspec.Struct, frozen=True):
    """One point of the matrix, with all that is needed to run it.

    Attributes
    ----------
    key : str
        The coordinates as text; the same in every run, so that it joins two runs.
    coordinates : dict of str to value
        Every axis, in the order of `AXES`.
    timeline : tuple of int
        Requests whose timeline is kept; changes nothing of the result.
    allow_oversubscribed : bool
        Run in real time even where more is to be computed than the cores can do in time.
    """

    key: str
    coordinates: dict[str, Value]
    method: MethodChoice
    cluster_name: str
    cluster: Cluster
    faults_name: str
    faults: FaultList
    workload: Workload
    dataset: str
    encoding: str
    kernels: str
    mode: str
    deadline_ms: float
    train_seed: int
    run_seed: int
    repeat: int
    timeline: tuple[int, ...] = ()
    allow_oversubscribed: bool = False

    @property
    def folder(self) -> str:
        """Name of the folder of the result."""
        return folder_name(self.key)


def resolve(suite: Suite, overrides: Mapping[str, Sequence[Value]] | None = None) -> Suite:
    """Make a suite stand alone: every axis explicit, every preset that is used written out.

    Parameters
    ----------
    suite : Suite
    overrides : mapping of axis to values, optional
        Replace the axes of the suite.

    Raises
    ------
    SuiteError
        If an axis is unknown or empty, or a cluster or fault list is unknown.
    """
    chosen = {axis: getattr(suite.axes, axis) for axis in AXES}
    for axis in AXES:
        if chosen[axis] is None:
            chosen[axis] = (getattr(suite.defaults, axis),)
    if chosen["kernels"] == (None,):
        chosen["kernels"] = (_kernels_of_environment(),)
    if overrides:
        given = typed({k: list(v) for k, v in overrides.items()}, type(suite.axes), "command line")
        chosen |= {axis: getattr(given, axis) for axis in overrides}
    axes = type(suite.axes)(**chosen)
    include = tuple(narrowed(suite.include, overrides or {}))
    resolved = msgspec.structs.replace(suite, axes=axes, include=include)
    check_values(resolved, "command line" if overrides else suite.origin)
    said = dict.fromkeys(overrides or (), "command line")
    clusters = _named(resolved, "cluster", suite.cluster, CLUSTERS, said)
    faults = _named(resolved, "faults", suite.faults, FAULTS, said)
    used = places(resolved, "method")
    variants = {name: table for name, table in suite.method.items() if name in used}
    return msgspec.structs.replace(resolved, cluster=clusters, faults=faults, method=variants)


def expand(
    suite: Suite,
    methods: Mapping[str, type[msgspec.Struct]],
    overrides: Mapping[str, Sequence[Value]] | None = None,
) -> tuple[Cell, ...]:
    """All cells of a suite, interleaved so that methods alternate in time.

    Parameters
    ----------
    suite : Suite
    methods : mapping of str to type
        Registered methods, each with the type of its parameters.
    overrides : mapping of axis to values, optional

    Raises
    ------
    SuiteError
        With the path of the value that is wrong and what is allowed instead.
    """
    offered = sorted({*methods, *suite.method})
    suite = resolve(suite, overrides)
    asked_by = "command line" if overrides and "method" in overrides else suite.origin
    matrix = points(suite)
    if not matrix:
        raise SuiteError(f"{suite.origin}: $.exclude: leaves no cell; take a rule away")
    choices = {
        str(name): _choice(suite, str(name), methods, offered, f"{asked_by}: {place}")
        for name, place in places(suite, "method").items()
    }
    for cluster_name, faults_name in dict.fromkeys((p["cluster"], p["faults"]) for p in matrix):
        _check_faults(suite, str(cluster_name), str(faults_name))
    timeline = _timeline(suite)
    cells = []
    for at in matrix:
        cells.append(
            Cell(
                key=cell_key(at),
                coordinates=at,
                method=choices[at["method"]],
                cluster_name=at["cluster"],
                cluster=suite.cluster[at["cluster"]],
                faults_name=at["faults"],
                faults=suite.faults[at["faults"]],
                workload=suite.defaults.workload,
                timeline=timeline,
                allow_oversubscribed=suite.defaults.allow_oversubscribed,
                **{axis: at[axis] for axis in AXES if axis not in ("method", "cluster", "faults")},
            )
        )
    return tuple(cells)


def cell_key(coordinates: Mapping[str, Value]) -> str:
    """Coordinates as text.

    Examples
    --------
    >>> cell_key({"method": "nonn", "deadline_ms": 400.0})
    'method=nonn,deadline_ms=400'
    """
    return ",".join(
        f"{axis}={value:g}" if isinstance(value, float) else f"{axis}={value}"
        for axis, value in coordinates.items()
    )


def folder_name(key: str) -> str:
    """Folder of a cell's result: short, and the same for the same key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _kernels_of_environment() -> str:
    asked = os.environ.get("COINFER_KERNELS", "native")
    allowed = get_args(Kernels)
    if asked not in allowed:
        raise SuiteError(f"COINFER_KERNELS = {asked!r}: allowed: {', '.join(allowed)}")
    return asked


def _named(
    suite: Suite,
    axis: str,
    own: Mapping[str, T],
    presets: Mapping[str, T],
    said: Mapping[str, str],
) -> dict[str, T]:
    known = {**presets, **own}
    named = {str(name): place for name, place in places(suite, axis).items()}
    for name, place in named.items():
        if name not in known:
            origin = said.get(axis, suite.origin)
            raise SuiteError(
                f"{origin}: {place}: {name!r} is neither a table "
                f"[{axis}.{name}] of the file nor a preset; {hint(name, sorted(known))}"
            )
    return {name: known[name] for name in named}


def _choice(
    suite: Suite,
    name: str,
    methods: Mapping[str, type[msgspec.Struct]],
    offered: Sequence[str],
    place: str,
) -> MethodChoice:
    table = suite.method.get(name)
    if table is None:
        base, given, known = name, {}, offered
    else:
        given = dict(table)
        base = given.pop("base", None)
        place = f"{suite.origin}: $.method.{name}.base"
        known = sorted(methods)
        if base is None:
            raise SuiteError(
                f"{place}: missing; name the method that it is a variant of: {', '.join(known)}"
            )
    if base not in methods:
        raise SuiteError(f"{place}: {base!r} is no method; {hint(str(base), known)}")
    parameters = typed(given, methods[base], suite.origin, f"$.method.{name}")
    return MethodChoice(name, base, msgspec.to_builtins(parameters))


def _timeline(suite: Suite) -> tuple[int, ...]:
    """Requests whose timeline is asked for; refuses those that never come."""
    if suite.defaults.timeline is None:
        return ()
    said = f"{suite.origin}: $.defaults.timeline:"
    try:
        return parse_requests(suite.defaults.timeline, said, suite.defaults.workload.requests)
    except UsageError as error:
        raise SuiteError(str(error)) from None


def _check_faults(suite: Suite, cluster_name: str, faults_name: str) -> None:
    """Refuse faults that could never land: a run without its fault looks like a pass."""
    faults = suite.faults[faults_name]
    try:
        # How many devices are free may hang on who was drawn before.
        for seed in suite.axes.run_seed or ():
            expand_faults(faults, suite.cluster[cluster_name], seed)
    except ClusterError as error:
        raise SuiteError(
            f"{suite.origin}: $.faults.{faults_name} on cluster {cluster_name!r}: {error}"
        ) from None
    requests = suite.defaults.workload.requests
    for number, event in enumerate(faults.events):
        if event.on_request is not None and not 0 <= event.on_request < requests:
            raise SuiteError(
                f"{suite.origin}: $.faults.{faults_name}.events[{number}].on_request: "
                f"{event.on_request} never comes; allowed: 0 to {requests - 1} "
                f"(workload.requests = {requests})"
            )
