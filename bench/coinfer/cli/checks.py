"""Read-only checks of the machine, each with advice where something would spoil results."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from coinfer.store.environment import Environment, affinity, capture

_BUSY: Final = 0.3
_COARSE_NS: Final = 1_000
_LITTLE_BYTES: Final = 1_000_000_000
_OLD_DAYS: Final = 30
_NAPS: Final = 25
_NAP_S: Final = 0.001
_LATE_US: Final = 1_000
_NO_TURBO: Final = Path("/sys/devices/system/cpu/intel_pstate/no_turbo")
_BOOST: Final = Path("/sys/devices/system/cpu/cpufreq/boost")


class Finding(NamedTuple):
    """What one check found.

    Attributes
    ----------
    check : str
    level : {"ok", "advice", "problem"}
    found : str
    advice : str
        What to do; empty where nothing needs doing.
    """

    check: str
    level: Literal["ok", "advice", "problem"]
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Run every check; one that cannot look says so, and the others still do."""
    environment = capture()
    findings = []
    for name, check in _CHECKS.items():
        try:
            findings.append(check(environment))
        except Exception as error:
            advice = "what this would have said is unknown; the other checks hold"
            findings.append(Finding(name, "advice", f"could not look: {error}", advice))
    return findings


def _processor(environment: Environment) -> Finding:
    identity = environment.identity
    cores = f"{identity['cores_logical']} logical, {identity['cores_physical']} physical cores"
    return Finding("processor", "ok", f"{identity['cpu']}; {cores}; {', '.join(identity['isa'])}")


def _smt(environment: Environment) -> Finding:
    logical = environment.identity["cores_logical"]
    physical = environment.identity["cores_physical"]
    if physical is None or logical <= physical:
        return Finding("smt", "ok", "no two logical cores share a physical one")
    return Finding(
        "smt",
        "advice",
        f"{logical} logical cores on {physical} physical ones",
        "realtime cells: use at most one emulated device a physical core",
    )


def _governor(environment: Environment) -> Finding:
    found = environment.readings["governor"]
    if found is None:
        return Finding("governor", "ok", "not visible here (virtual machine or other system)")
    if found == "performance":
        return Finding("governor", "ok", found)
    advice = "realtime and native cells: 'cpupower frequency-set -g performance' steadies the clock"
    return Finding("governor", "advice", found, advice)


def _turbo(_environment: Environment) -> Finding:
    """Whether the clock may exceed its nominal rate for as long as the heat allows."""
    for path, on in ((_NO_TURBO, "0"), (_BOOST, "1")):
        try:
            found = path.read_text().strip()
        except OSError:
            continue
        if found != on:
            return Finding("turbo", "ok", "off")
        advice = (
            f"native cells: 'echo {1 - int(on)} > {path}' as root keeps the clock from falling "
            "as the machine gets warm"
        )
        return Finding("turbo", "advice", "on", advice)
    return Finding("turbo", "ok", "not visible here (virtual machine or other system)")


def _load(environment: Environment) -> Finding:
    load = environment.readings["load_1min"]
    share = load / (environment.identity["cores_logical"] or 1)
    found = f"{load:.2f} in the last minute"
    if share <= _BUSY:
        return Finding("load", "ok", found)
    return Finding("load", "advice", found, "realtime and native cells: let other work end first")


def _affinity(environment: Environment) -> Finding:
    usable = affinity()
    logical = environment.identity["cores_logical"]
    if usable is None or len(usable) == logical:
        return Finding("affinity", "ok", "all cores may be used")
    return Finding(
        "affinity",
        "advice",
        f"{len(usable)} of {logical} cores may be used: {usable}",
        "realtime cells pin devices to these only",
    )


def _threads(environment: Environment) -> Finding:
    given = {k: v for k, v in environment.readings["threads"].items() if v is not None}
    found = ", ".join(f"{k} = {v}" for k, v in given.items()) or "none set"
    wide = [name for name, value in given.items() if value != "1"]
    if not wide:
        return Finding("thread variables", "ok", found)
    return Finding(
        "thread variables",
        "advice",
        found,
        f"unset {wide[0]} or set it to 1: processes pinned to one core get slower with more",
    )


def _memory(environment: Environment) -> Finding:
    free = environment.readings["memory_available_bytes"]
    found = f"{free / 1e9:.1f} GB free"
    if free >= _LITTLE_BYTES:
        return Finding("memory", "ok", found)
    return Finding("memory", "advice", found, "use fewer workers (-j 1)")


def _timer(_environment: Environment) -> Finding:
    steps = []
    for _ in range(200):
        first = now = time.perf_counter_ns()
        while now == first:
            now = time.perf_counter_ns()
        steps.append(now - first)
    step_ns = min(steps)
    late_us = sorted(_late_us() for _ in range(_NAPS))[_NAPS // 2]
    found = f"{step_ns} ns between two readings; sleeps end {late_us:.0f} us late (median)"
    if step_ns <= _COARSE_NS and late_us <= _LATE_US:
        return Finding("timer", "ok", found)
    advice = "realtime cells: slower devices (a smaller macs_per_s) leave the timer more room"
    return Finding("timer", "advice", found, advice)


def _late_us() -> float:
    begin = time.perf_counter()
    time.sleep(_NAP_S)
    return 1e6 * (time.perf_counter() - begin - _NAP_S)


def _versions(environment: Environment) -> Finding:
    packages = environment.identity["packages"]
    missing = [name for name, version in packages.items() if version is None]
    found = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    found = f"{environment.identity['python']}; {found}"
    if not missing:
        return Finding("versions", "ok", found)
    advice = f"missing: {', '.join(missing)}; run: pip install 'coinfer[bench]'"
    return Finding("versions", "problem", found, advice)


def _kernels(environment: Environment) -> Finding:
    info: dict[str, Any] = environment.identity["kernels"]
    if "error" in info:
        return Finding("kernels", "problem", info["error"], "run: pip install -e . in the clone")
    native = info.get("backends", {}).get("native", "")
    if "older than" in native:
        return Finding("kernels", "problem", native, "run: pip install -e . in the clone")
    found = f"{info.get('backend')}, instruction set {info.get('isa') or '-'}"
    lacking = {k: v for k, v in info.get("backends", {}).items() if v != "available"}
    if newer := _newer_sources():
        advice = "run: pip install -e . in the clone, unless they only look newer (git checkout)"
        return Finding("kernels", "advice", f"{found}; {newer} is newer than the extension", advice)
    if not lacking:
        return Finding("kernels", "ok", found)
    advice = "; ".join(f"{name}: {why}" for name, why in lacking.items())
    return Finding("kernels", "advice", found, advice)


def _newer_sources() -> str | None:
    """C++ source that was changed after the extension was compiled, where this is a clone."""
    spec = importlib.util.find_spec("coinfer_kernels._native")
    if spec is None or spec.origin is None:
        return None
    built = Path(spec.origin)
    csrc = built.parents[2] / "csrc"
    sources = [p for p in csrc.rglob("*") if p.suffix in (".cpp", ".hpp")]
    newest = max(sources, key=lambda p: p.stat().st_mtime, default=None)
    if newest is None or newest.stat().st_mtime <= built.stat().st_mtime:
        return None
    return str(newest.relative_to(csrc.parent))


def _cost_table(environment: Environment) -> Finding:
    from coinfer.cluster.cost_table import load_cost_table

    path = os.environ.get("COINFER_COST_TABLE")
    table = load_cost_table()
    age = table.age_days(datetime.now(UTC).date())
    found = (
        f"{path or 'the one that is shipped'}: measured {table.measured}"
        f"{'' if age is None else f' ({age} days ago)'} on {table.machine}, {table.isa}, "
        f"torch {table.torch or 'not said'}; {len(table.stages)} stages"
    )
    kernels, identity = environment.identity["kernels"], environment.identity
    reasons = [
        *([f"more than {_OLD_DAYS} days old"] if age is None or age > _OLD_DAYS else []),
        *(["of another processor"] if table.machine != identity["cpu"] else []),
        *(["of another instruction set"] if table.isa != kernels.get("isa", table.isa) else []),
        *(["of another torch"] if (table.torch or identity["torch"]) != identity["torch"] else []),
    ]
    if not reasons:
        return Finding("cost table", "ok", found)
    advice = "to model this machine: 'coinfer calibrate -o FILE', then COINFER_COST_TABLE=FILE"
    return Finding("cost table", "advice", f"{found}; {', '.join(reasons)}", advice)


def _energy(_environment: Environment) -> Finding:
    from coinfer.runtime.rapl import Rapl

    counters = Rapl()
    if counters.problem is None:
        found = f"{', '.join(counters.zones)}: counted in realtime and native cells (rapl_j)"
        return Finding("energy counters", "ok", found)
    if "denied" not in counters.problem:
        return Finding("energy counters", "ok", f"{counters.problem}; energy is a proxy only")
    advice = "native cells: 'chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj' as root"
    return Finding("energy counters", "advice", counters.problem, advice)


def _compiler(_environment: Environment) -> Finding:
    wanted = (os.environ.get("CXX", "c++"), "g++", "clang++")
    found = next(filter(None, map(shutil.which, wanted)), None)
    if found:
        return Finding("compiler", "ok", found)
    return Finding(
        "compiler",
        "advice",
        "no C++ compiler",
        "needed only to build the native kernels anew; on Debian: apt install g++",
    )


def _datasets(_environment: Environment) -> Finding:
    import coinfer_datasets

    rows = coinfer_datasets.available()
    found = "; ".join(f"{row['name']} ({row['where']})" for row in rows if row["found"])
    lacking = [row["name"] for row in rows if not row["found"]]
    if "fashion-mnist" not in lacking:  # no suite that comes along needs another one
        return Finding("data sets", "ok", found)
    advice = f"not found: {', '.join(lacking)}; 'coinfer run' says how to get them where needed"
    return Finding("data sets", "advice", found, advice)


_CHECKS: Final[dict[str, Callable[[Environment], Finding]]] = {
    "processor": _processor,
    "smt": _smt,
    "governor": _governor,
    "turbo": _turbo,
    "load": _load,
    "affinity": _affinity,
    "thread variables": _threads,
    "memory": _memory,
    "timer": _timer,
    "versions": _versions,
    "kernels": _kernels,
    "cost table": _cost_table,
    "energy counters": _energy,
    "compiler": _compiler,
    "data sets": _datasets,
}
