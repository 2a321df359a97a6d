"""From the options of a command to the cells that they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from coinfer.suite import Cell, Suite
    from coinfer.suite.schema import Value


def overrides_of(
    method: Iterable[str], axis: Iterable[str], seed: str | None, mode: str | None
) -> dict[str, tuple[Value, ...]]:
    """Axes that options replace.

    Raises
    ------
    UsageError
        If one is malformed, or an axis is given twice.
    """
    from coinfer.errors import UsageError
    from coinfer.suite import parse_override

    given = [f"method=[{names}]" for names in [",".join(method)] if names]
    given += [*axis]
    given += [f"run_seed={seed}"] if seed is not None else []
    given += [f"mode={mode}"] if mode is not None else []
    chosen: dict[str, tuple[Value, ...]] = {}
    for text in given:
        name, values = parse_override(text)
        if name in chosen:
            raise UsageError(f"-a {text}: the axis {name!r} is given twice; use {name}=[a,b]")
        chosen[name] = values
    return chosen


def cells_of(
    name: str,
    chosen: dict[str, tuple[Value, ...]],
    timeline: str | None = None,
    *,
    allow_oversubscribed: bool = False,
    inventory: Path | None = None,
) -> tuple[Suite, tuple[Cell, ...]]:
    """Read a suite; give it resolved, and its cells; `timeline` replaces what it says of that.

    With an `inventory`, its boards are the cluster.

    Raises
    ------
    SuiteError
    UsageError
        If `timeline` names a request that never comes.
    """
    import msgspec

    from coinfer.cli import engine
    from coinfer.errors import UsageError
    from coinfer.metrics import metric
    from coinfer.suite import expand, load_suite, on_inventory, parse_requests, resolve

    suite = load_suite(name)
    if inventory is not None:
        if "cluster" in chosen:
            raise UsageError("--inventory and -a cluster=… name two clusters; leave one out")
        suite, chosen = on_inventory(suite, inventory, chosen)
    if timeline is not None:
        parse_requests(timeline, "--timeline", suite.defaults.workload.requests)
        defaults = msgspec.structs.replace(suite.defaults, timeline=timeline)
        suite = msgspec.structs.replace(suite, defaults=defaults)
    if allow_oversubscribed:
        defaults = msgspec.structs.replace(suite.defaults, allow_oversubscribed=True)
        suite = msgspec.structs.replace(suite, defaults=defaults)
    findings: Sequence[tuple[str, str]] = [
        *([("headline", suite.report.headline.metric)] if suite.report.headline else []),
        *((f"also[{number}]", f.metric) for number, f in enumerate(suite.report.also)),
    ]
    for place, named in findings:
        metric(named, f"{suite.origin}: $.report.{place}.metric")
    cells = expand(suite, engine.methods(), chosen)
    return resolve(suite, chosen), cells
