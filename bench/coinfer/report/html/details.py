"""What lies behind the figures: methods, clusters, faults, the machine, and every cell."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from coinfer.errors import ResultError
from coinfer.metrics import FIGURES
from coinfer.report.entries import entry
from coinfer.report.html.material import Material
from coinfer.report.html.overview import cell_name, verdict
from coinfer.report.numbers import milliseconds, percent
from coinfer.store import RunFolder, StoredCell
from coinfer.store.timings import machines

# Said elsewhere in the details of a cell.
_LEFT_OUT: Final = {"warnings"}
_NOTES_ELSEWHERE: Final = {"parameters"}


class Method(NamedTuple):
    """A variant with everything that was chosen about it."""

    name: str
    base: str
    parameters: dict[str, Any]
    chosen: frozenset[str]
    """Parameters that the suite sets; all others have their defaults."""


class CellDetails(NamedTuple):
    """One cell, to be unfolded."""

    setting: int
    name: str
    folder: str
    flag: str
    summary: str
    error: str | None
    warnings: list[str]
    figures: dict[str, Any]
    notes: dict[str, Any]


def methods(material: Material) -> list[Method]:
    """Every variant of every run, with all parameters as they were used."""
    found: dict[tuple[str, str], Method] = {}
    for run in material.runs:
        for stored in run.contents.cells:
            choice = stored.cell.method
            used = {**choice.parameters, **stored.notes.get("parameters", {})}
            said = frozenset(run.folder.info.suite.method.get(choice.variant, {})) - {"base"}
            made = Method(choice.variant, choice.base, used, said)
            # Runs may give one name to different settings; then each is shown.
            found.setdefault((choice.variant, str(sorted(used.items()))), made)
    return list(found.values())


def clusters(material: Material) -> dict[str, Any]:
    """Clusters by name, as resolved."""
    return {s.cell.cluster_name: msgspec.to_builtins(s.cell.cluster) for s in material.cells}


def faults(material: Material) -> dict[str, Any]:
    """Faults by name, as resolved."""
    found = {s.cell.faults_name: msgspec.to_builtins(s.cell.faults) for s in material.cells}
    return {name: told["events"] or "no faults" for name, told in found.items()}


def common(material: Material) -> dict[str, str]:
    """What all cells share, and what times rest on."""
    told: dict[str, set[str]] = {}
    for stored in material.cells:
        cell = stored.cell
        workload = {
            name: value
            for name, value in msgspec.to_builtins(cell.workload).items()
            if value is not None
        }
        values = {
            "data set": cell.dataset,
            "mode": cell.mode,
            "deadline": f"{cell.deadline_ms:g} ms",
            "encoding": cell.encoding,
            "kernels": cell.kernels,
            "workload": ", ".join(f"{name} {value}" for name, value in workload.items()),
            "stage costs": stored.notes.get("stage_costs", ""),
            "kernel costs": stored.notes.get("kernel_costs", ""),
        }
        for name, value in values.items():
            if value:
                told.setdefault(name, set()).add(str(value))
    return {name: "; ".join(sorted(values)) for name, values in told.items()}


def machine(run: RunFolder) -> dict[str, Any]:
    """Where a run was made."""
    info = run.info
    told: dict[str, Any] = {
        "run": run.path.name,
        "started": info.started,
        "coinfer": info.coinfer,
        "fingerprint": info.fingerprint,
    }
    try:
        environment = run.environment()
    except ResultError as error:
        return told | {"machine": str(error)}
    named = sorted(set(machines(run).values()))
    several = {"machines": ", ".join(named)} if named else {}
    return told | several | environment.identity | environment.readings


def cells(material: Material) -> list[CellDetails]:
    """Every cell, done or failed, in the order of the settings."""
    return [
        _cell(setting.number, stored) for setting in material.settings for stored in setting.cells
    ]


def _cell(setting: int, stored: StoredCell) -> CellDetails:
    told = entry(stored)
    figures = {
        name: told[name] for name in FIGURES if name not in _LEFT_OUT and told.get(name) is not None
    }
    notes = {
        k: v for k, v in stored.notes.items() if k not in _NOTES_ELSEWHERE and v not in ([], {}, "")
    }
    summary = "no figures"
    if stored.status == "done":
        p50 = milliseconds(stored.figures["latency_p50_ms"], stored.cell.deadline_ms)
        summary = f"{percent(stored.figures['accuracy'])}, p50 {p50} ms"
    return CellDetails(
        setting,
        cell_name(stored),
        f"cells/{stored.cell.folder}",
        verdict(stored),
        summary,
        stored.error,
        list(stored.figures.get("warnings", ())),
        figures,
        notes,
    )
