"""``coinfer list``: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from coinfer.cli.console import RUNS, Format, output_console, print_json


class What(StrEnum):
    """Kinds of things to list."""

    SUITES = "suites"
    AXES = "axes"
    METHODS = "methods"
    METRICS = "metrics"
    DATASETS = "datasets"
    ENCODINGS = "encodings"
    KERNELS = "kernels"
    DEVICES = "devices"
    CLUSTERS = "clusters"
    FAULTS = "faults"
    RUNS = "runs"
    SCHEMA = "schema"


def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder whose runs are listed.")
    ] = RUNS,
) -> None:
    """List what there is to choose from, or print the JSON Schema of suite files."""
    if what is What.SCHEMA:
        print_json(_schema())
        return
    listing: dict[What, Callable[[], list[dict[str, Any]]]] = {
        What.SUITES: _suites,
        What.AXES: _axes,
        What.METHODS: _methods,
        What.METRICS: _metrics,
        What.DATASETS: _datasets,
        What.ENCODINGS: _encodings,
        What.KERNELS: _kernels,
        What.DEVICES: _devices,
        What.CLUSTERS: _clusters,
        What.FAULTS: _faults,
        What.RUNS: lambda: _runs(output),
    }
    rows = listing[what]()
    if form is Format.JSON:
        print_json(rows)
    else:
        show_rows(rows)


def show_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of equal keys as a table."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console = output_console()
    if not rows:
        console.print("none")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_told(value)) for value in row.values()))
    console.print(table)


def _suites() -> list[dict[str, Any]]:
    from coinfer.suite import load_suite, shipped_suites

    suites = [load_suite(name) for name in shipped_suites()]
    return [{"name": suite.name, "question": suite.question} for suite in suites]


def _axes() -> list[dict[str, Any]]:
    from coinfer.cli import engine
    from coinfer.cluster import CLUSTERS, FAULTS
    from coinfer.suite import AXES, Axes, Defaults
    from coinfer.suite.typed import allowed_values

    named = {
        "method": sorted(engine.methods()),
        "cluster": sorted(CLUSTERS),
        "faults": sorted(FAULTS),
    }
    rows = []
    for axis in AXES:
        values = named.get(axis) or allowed_values(Axes, axis)
        rows.append({"axis": axis, "default": getattr(Defaults(), axis, None), "values": values})
    return rows


def _methods() -> list[dict[str, Any]]:
    from coinfer.cli import engine
    from coinfer.errors import CoinferError

    rows: list[dict[str, Any]] = []
    for name in engine.methods():
        try:
            rows.append(
                {
                    "name": name,
                    "description": engine.description(name),
                    "parameters": _parameters(engine.methods()[name]),
                }
            )
        except CoinferError as error:
            rows.append({"name": name, "description": f"broken: {error}", "parameters": {}})
    return rows


def _parameters(kind: type[Any]) -> dict[str, Any]:
    """Parameters with their defaults; None where there is none."""
    import msgspec

    return {
        field.name: None
        if field.default is msgspec.NODEFAULT
        else msgspec.to_builtins(field.default)
        for field in msgspec.structs.fields(kind)
    }


def _datasets() -> list[dict[str, Any]]:
    import coinfer_datasets

    return [dict(row) for row in coinfer_datasets.available()]


def _metrics() -> list[dict[str, Any]]:
    from coinfer.metrics import METRICS

    return [
        {"name": name, "what": metric.noun, "unit": metric.unit, "better": metric.better}
        for name, metric in METRICS.items()
    ]


def _encodings() -> list[dict[str, Any]]:
    """Encodings, each with the size of a frame of 4096 elements; of sparse ones the largest."""
    from coinfer.suite import Axes
    from coinfer.suite.typed import allowed_values
    from coinfer_kernels import encoded_size

    return [
        {"name": name, "bytes_of_1x64x8x8": encoded_size((1, 64, 8, 8), name)}
        for name in allowed_values(Axes, "encoding")
    ]


def _faults() -> list[dict[str, Any]]:
    """Lists of faults that suites name without defining them."""
    import msgspec

    from coinfer.cluster import FAULTS

    rows = []
    for name, faults in FAULTS.items():
        told = [{k: v for k, v in msgspec.to_builtins(e).items() if v} for e in faults.events]
        rows.append({"name": name, "events": told})
    return rows


def _schema() -> dict[str, Any]:
    from coinfer.cli import engine
    from coinfer.suite.json_schema import suite_json_schema

    return suite_json_schema(engine.methods())


def _kernels() -> list[dict[str, Any]]:
    from coinfer.store.environment import kernels_info

    info = kernels_info()
    chosen = info.get("backend")
    return [
        {"name": name, "status": status, "in_use": name == chosen}
        for name, status in info.get("backends", {}).items()
    ]


def _devices() -> list[dict[str, Any]]:
    """Boards that a device of a suite can be `like`."""
    from coinfer.cluster import BOARDS

    return [{"name": name, **board._asdict()} for name, board in BOARDS.items()]


def _clusters() -> list[dict[str, Any]]:
    """Clusters that suites name without defining them, and where their numbers come from."""
    from coinfer.cluster import CLUSTERS
    from coinfer.report.numbers import amount

    return [
        {
            "name": name,
            "devices": [d.like or amount(d.macs_per_s, "MAC/s") for d in one.devices],
            "source": one.note,
        }
        for name, one in CLUSTERS.items()
    ]


def _runs(output: Path) -> list[dict[str, Any]]:
    from coinfer.report.terminal import shown_path
    from coinfer.store import find_runs

    rows = []
    for run in find_runs(output):
        contents = run.contents()
        rows.append(
            {
                "run": shown_path(run.path),
                "suite": run.info.suite.name,
                "started": run.info.started,
                "cells": len(run.info.cells),
                "done": sum(s.status == "done" for s in contents.cells),
                "failed": sum(s.status == "failed" for s in contents.cells),
                "corrupt": len(contents.corrupt),
            }
        )
    return rows


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_told(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    return "-" if value is None else str(value)
