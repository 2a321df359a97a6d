"""How far a real-time run can be trusted, from its replay in virtual time."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from coinfer.runtime.record import Fidelity, Outcome

# Bounds of the two verdicts above UNTRUSTWORTHY [ours]: overruns, the paired error at p95, and the
# drift of the reference kernel. Due times do not hang on it, so drift alone condemns no run.
VALID: Final = (0.05, 0.02, 0.10)
MARGINAL: Final = (0.15, 0.05, math.inf)

MOST_DENSITY: Final = 1.0
"""Above, a run is UNTRUSTWORTHY however it came out."""


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
