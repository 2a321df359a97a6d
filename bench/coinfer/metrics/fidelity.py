"""How far a real-time run can be trusted, from its replay in virtual time."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from coinfer.runtime.record import Fidelity, Outcome

# Bounds of the two verdicts above UNTRUSTWORTHY: overruns, and the paired error at p95 [ours].
VALID: Final = (0.05, 0.02)
MARGINAL: Final = (0.15, 0.05)


def judge(real: Outcome, virtual: Outcome) -> Fidelity:
    """Pair a real-time run with its replay, request by request.

    Parameters
    ----------
    real : Outcome
        With its overruns and density.
    virtual : Outcome
        The same scenario and seed in virtual time.

    Returns
    -------
    Fidelity
        Errors are ``|real latency / virtual latency − 1|`` over the requests that both answered,
        the warm-up left out;
        a request that only one of them answered has an infinite error.
    """
    assert real.fidelity is not None
    errors = []
    for a, b in zip(real.records, virtual.records, strict=True):
        if a.warm_up or (a.answered_ns is None and b.answered_ns is None):
            continue
        if a.answered_ns is None or b.answered_ns is None:
            errors.append(np.inf)
            continue
        errors.append(abs((a.answered_ns - a.intended_ns) / (b.answered_ns - b.intended_ns) - 1))
    if not errors:
        return msgspec.structs.replace(real.fidelity, verdict="UNTRUSTWORTHY")
    p50, p95 = (float(q) for q in np.quantile(errors, [0.5, 0.95], method="higher"))
    overruns = real.fidelity.overrun_fraction
    verdict = "UNTRUSTWORTHY"
    for name, (most_overruns, most_error) in (("MARGINAL", MARGINAL), ("VALID", VALID)):
        if overruns <= most_overruns and p95 <= most_error:
            verdict = name
    return Fidelity(
        verdict=verdict,
        overrun_fraction=overruns,
        paired_p50=p50 if np.isfinite(p50) else None,
        paired_p95=p95 if np.isfinite(p95) else None,
        density=real.fidelity.density,
    )
