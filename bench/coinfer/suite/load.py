"""Suites from files, and those that come with the package."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from coinfer.cluster import Cluster, FaultList, Workload
from coinfer.errors import ClusterError, SuiteError, hint
from coinfer.suite.inventory import with_inventories
from coinfer.suite.matrix import rules, values_of
from coinfer.suite.schema import AXES, SCHEMA, Document, Finding, Suite, Value
from coinfer.suite.typed import typed

T = TypeVar("T", Cluster, Workload)


def shipped_suites() -> tuple[str, ...]:
    """Names of the suites that come with the package."""
    folder = resources.files("coinfer.suite") / "suites"
    return tuple(sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml")))


def load_suite(name_or_path: str | Path) -> Suite:
    """Read and check a suite.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a shipped suite, or a TOML file.

    Raises
    ------
    SuiteError
        If there is no such suite, or its file is malformed: one line with the file, the path
        inside it and what is allowed.
    """
    name = str(name_or_path)
    if name in shipped_suites():
        folder = resources.files("coinfer.suite") / "suites"
        text = (folder / f"{name}.toml").read_text("utf-8")
        return read_suite(text, f"{name}.toml", folder)
    path = Path(name_or_path)
    try:
        return read_suite(path.read_text("utf-8"), name, path.parent)
    except FileNotFoundError:
        raise SuiteError(
            f"{name}: no such file, and no suite of that name comes with coinfer; "
            f"{hint(name, shipped_suites())}"
        ) from None
    except UnicodeDecodeError as error:
        raise SuiteError(f"{name}: not UTF-8 text ({error.reason}); a suite is TOML") from None
    except OSError as error:
        raise SuiteError(f"{name}: cannot be read: {error.strerror}") from None


def read_suite(text: str, origin: str, folder: Traversable = Path()) -> Suite:
    """Suite from the text of a TOML file, with the content of the traces that it names.

    Parameters
    ----------
    text : str
    origin : str
        Names the file in messages.
    folder : Path or other folder
        What the paths of traces and inventories are relative to.

    Raises
    ------
    SuiteError
        One line with the file, the path inside it and what is allowed.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{origin}: not valid TOML: {error}") from None
    _check_version(raw, origin)
    raw = with_inventories(raw, origin, folder)
    _check_tables(raw, origin)
    document = _with_traces(typed(raw, Document, origin), origin, folder)
    suite = Suite(**msgspec.structs.asdict(document), origin=origin)
    _check_axes(suite)
    if suite.report.headline is not None:
        _check_finding(suite, suite.report.headline, "$.report.headline")
    for number, finding in enumerate(suite.report.also):
        _check_finding(suite, finding, f"$.report.also[{number}]")
    return suite


def _check_version(raw: dict[str, Any], origin: str) -> None:
    """Say that a file is too new before its new keys are called unknown."""
    schema = raw.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise SuiteError(
            f"{origin}: $.schema: {schema!r} is not known to this coinfer; allowed: {SCHEMA}"
        )


def _check_tables(raw: dict[str, Any], origin: str) -> None:
    """Convert the named tables one by one, so that a message has their names in its path."""
    kinds: tuple[tuple[str, type], ...] = (("cluster", Cluster), ("faults", FaultList))
    for table, kind in kinds:
        entries = raw.get(table, {})
        for name, entry in typed(entries, dict[str, Any], origin, f"$.{table}").items():
            typed(entry, kind, origin, f"$.{table}.{name}")
    defaults = typed(raw.get("defaults", {}), dict[str, Any], origin, "$.defaults")
    typed(defaults.get("workload", {}), Workload, origin, "$.defaults.workload")


def _with_traces(document: Document, origin: str, folder: Traversable) -> Document:
    """Put the content of every trace in place of its path."""

    def text_of(path: str) -> str:
        try:
            return folder.joinpath(path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ClusterError(
                f"trace {path}: cannot be read from {folder}: {why}; "
                "its path is relative to the suite file"
            ) from None

    def read(value: T, place: str) -> T:
        try:
            return value.read(text_of)
        except ClusterError as error:
            raise SuiteError(f"{origin}: {place}: {error}") from None

    clusters = {name: read(one, f"$.cluster.{name}") for name, one in document.cluster.items()}
    workload = read(document.defaults.workload, "$.defaults.workload")
    defaults = msgspec.structs.replace(document.defaults, workload=workload)
    return msgspec.structs.replace(document, cluster=clusters, defaults=defaults)


def _check_axes(suite: Suite) -> None:
    if suite.axes.method is None:
        raise SuiteError(f"{suite.origin}: $.axes.method: missing; name at least one method")
    name_is_path = any(c in suite.name for c in "/\\\0") or suite.name in ("", ".", "..")
    if name_is_path:
        raise SuiteError(
            f"{suite.origin}: $.name: {suite.name!r} must be usable as a folder name; "
            "use letters, digits, '-' and '_'"
        )
    check_values(suite, suite.origin)
    _check_rules(suite)


def check_values(suite: Suite, origin: str) -> None:
    """Refuse axes that are empty, name a value twice, or hold an impossible number.

    Raises
    ------
    SuiteError
    """
    for axis in AXES:
        if axis != "method":
            _check_number(getattr(suite.defaults, axis), f"{origin}: $.defaults.{axis}")
    for path, axes in ("axes", suite.axes), *rules(suite):
        for axis in AXES:
            values = getattr(axes, axis)
            if values is not None:
                _check_axis(values, f"{origin}: $.{path}.{axis}", optional=axis != "method")


def _check_axis(values: Sequence[Value], place: str, *, optional: bool) -> None:
    if not values:
        rest = ", or leave the axis out for the default" if optional else ""
        raise SuiteError(f"{place}: empty; give at least one value{rest}")
    for number, value in enumerate(values):
        if value in values[:number]:
            raise SuiteError(f"{place}[{number}]: {value!r} is there twice")
        _check_number(value, f"{place}[{number}]")


def _check_rules(suite: Suite) -> None:
    """Refuse rules that say nothing, or leave out what is not there."""
    for path, rule in rules(suite):
        named = [axis for axis in AXES if getattr(rule, axis) is not None]
        if not named:
            raise SuiteError(f"{suite.origin}: $.{path}: names no axis; {hint('', AXES)}")
        for axis in named if path.startswith("exclude") else ():
            there = values_of(suite, axis)
            for number, value in enumerate(getattr(rule, axis)):
                if value not in there:
                    raise SuiteError(
                        f"{suite.origin}: $.{path}.{axis}[{number}]: {value!r} is no value of the "
                        f"axis {axis!r}; {hint(str(value), map(str, there))}"
                    )


def _check_number(value: object, place: str) -> None:
    if isinstance(value, float) and not 0 < value < float("inf"):
        raise SuiteError(f"{place}: {value} is not allowed; use a number > 0")
    if isinstance(value, int) and not 0 <= value < 2**32:
        raise SuiteError(f"{place}: {value} is not allowed; use an integer >= 0 and < 2**32")


def _check_finding(suite: Suite, finding: Finding, path: str) -> None:
    """Refuse a finding that no cell of the suite can ever support."""
    wanted = {"compare": (finding.by, finding.compare), "against": (finding.by, finding.against)}
    wanted |= {f"where.{axis}": (axis, str(value)) for axis, value in finding.where.items()}
    for key, (axis, value) in wanted.items():
        if axis not in AXES:
            place = key if key.startswith("where") else "by"
            raise SuiteError(
                f"{suite.origin}: {path}.{place}: {axis!r} is no axis; {hint(axis, AXES)}"
            )
        names = [str(v) for v in values_of(suite, axis)]
        if value not in names:
            raise SuiteError(
                f"{suite.origin}: {path}.{key}: {value!r} is no value of the axis {axis!r}; "
                f"{hint(value, names)}"
            )
