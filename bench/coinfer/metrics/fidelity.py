"""How far a real-time run can be trusted, from its replay in virtual time."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from coinfer.runtime.record import Fidelity, Outcome, Record

# Bounds of the two verdicts above UNTRUSTWORTHY [ours]: overruns, the paired error at p95, and the
# drift of the reference kernel. Due times do not hang on it, so drift alone condemns no run.
VALID: Final = (0.05, 0.02, 0.10)
MARGINAL: Final = (0.15, 0.05, math.inf)

MOST_DENSITY: Final = 1.0
"""Above, a run is UNTRUSTWORTHY however it came out."""


def emulation_error(real: Outcome, emulated: Outcome) -> dict[str, float | None]:
    """Hold the emulation of a run against the run itself, on real boards.

    Parameters
    ----------
    real : Outcome
    emulated : Outcome
        The same scenario and seed in virtual time.

    Returns
    -------
    dict
        ``latency_p50_ms`` and ``latency_p95_ms`` of the emulation; ``error_p50`` and ``error_p95``:
        those over the real ones, less 1; ``paired_p50`` and ``paired_p95``: quantiles over
        requests of ``|emulated latency / real latency - 1|``, those that neither answered left
        out; ``agreement``: share of the requests
        with the same prediction in both. None for what is without bound: a request that was not
        answered took for ever. Requests of the warm-up count nowhere.
    """
    pairs = [(a, b) for a, b in zip(real.records, emulated.records, strict=True) if not a.warm_up]
    taken = np.array([[_latency_ns(r) for r in pair] for pair in pairs])
    errors = [
        abs(theirs / ours - 1) if math.isfinite(ours + theirs) else math.inf
        for ours, theirs in taken
        if math.isfinite(min(ours, theirs))
    ] or [math.inf]
    found: dict[str, float] = {
        "agreement": float(np.mean([a.prediction == b.prediction for a, b in pairs]))
    }
    for name, q in (("p50", 0.5), ("p95", 0.95)):
        ours, theirs = np.quantile(taken, q, axis=0, method="higher")
        found[f"latency_{name}_ms"] = theirs / 1e6
        found[f"error_{name}"] = theirs / ours - 1 if np.isfinite(ours) else math.inf
        found[f"paired_{name}"] = float(np.quantile(errors, q, method="higher"))
    return {name: float(v) if math.isfinite(v) else None for name, v in sorted(found.items())}


def _latency_ns(record: Record) -> float:
    return math.inf if record.answered_ns is None else record.answered_ns - record.intended_ns


def judge(real: Outcome, virtual: Outcome, reference_drift: float | None = None) -> Fidelity:
    """Pair a real-time run with its replay, request by request.

    Parameters
    ----------
    real : Outcome
        With its overruns and density.
    virtual : Outcome
        The same scenario and seed in virtual time.
    reference_drift : float, optional
        Relative change of the reference kernel's time; None where it was not measured.

    Returns
    -------
    Fidelity
        Errors are ``|real latency / virtual latency − 1|`` over the requests that both answered,
        the warm-up left out;
        a request that only one of them answered has an infinite error.
    """
    assert real.fidelity is not None
    measured = msgspec.structs.replace(real.fidelity, reference_drift=reference_drift)
    errors = []
    for a, b in zip(real.records, virtual.records, strict=True):
        if a.warm_up or (a.answered_ns is None and b.answered_ns is None):
            continue
        if a.answered_ns is None or b.answered_ns is None:
            errors.append(np.inf)
            continue
        errors.append(abs((a.answered_ns - a.intended_ns) / (b.answered_ns - b.intended_ns) - 1))
    if not errors:
        return msgspec.structs.replace(measured, verdict="UNTRUSTWORTHY")
    p50, p95 = (float(q) for q in np.quantile(errors, [0.5, 0.95], method="higher"))
    found = (measured.overrun_fraction, p95, reference_drift or 0.0)
    verdict = "UNTRUSTWORTHY"
    if measured.density <= MOST_DENSITY:
        for name, bounds in (("MARGINAL", MARGINAL), ("VALID", VALID)):
            if all(value <= bound for value, bound in zip(found, bounds, strict=True)):
                verdict = name
    return msgspec.structs.replace(
        measured,
        verdict=verdict,
        paired_p50=p50 if np.isfinite(p50) else None,
        paired_p95=p95 if np.isfinite(p95) else None,
    )
