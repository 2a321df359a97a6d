"""How often `coinfer compare` cries wolf, and what it can find: simulated, with known truth.

    python tests/perf/statistics/simulate.py results/reference/statistics/simulation.json

Latencies are log-normal. Both sides of a seed share what the seed draws; every process has a level
of its own, which all its requests share; and requests of a process follow each other (AR(1)). The
verdicts are those of `coinfer.stats`: only the bootstrap, which no verdict rests on, is left out.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from scipy import stats
from scipy.signal import lfilter

import coinfer
from coinfer.metrics import METRICS
from coinfer.stats import Rules, verdicts

SEED = 20261125
REQUESTS = 200
SEED_SIGMA = 0.20
REQUEST_SIGMA = 0.10
CORRELATION = 0.5
PROCESS_SIGMAS = (0.005, 0.01, 0.02, 0.04)
USUAL_SIGMA = 0.02
REPEATS = (6, 8, 10, 12, 16)
ROWS = 20
CHANGE = 0.03
AA_TRIALS, TABLE_TRIALS, POWER_TRIALS = 2000, 500, 500
P50 = METRICS["latency_p50_ms"]
COMMAND = "python tests/perf/statistics/simulate.py results/reference/statistics/simulation.json"


class Pairs(NamedTuple):
    """Log-latencies of both sides, (repeats, requests) each."""

    base: np.ndarray
    new: np.ndarray

    def figures(self) -> tuple[tuple[float, float], ...]:
        """Median latency of each repeat, side by side: what is judged."""
        sides = [np.exp(np.median(side, axis=1)).tolist() for side in self]
        return tuple(zip(*sides, strict=True))


def draw(rng: np.random.Generator, repeats: int, sigma: float, change: float = 0.0) -> Pairs:
    """One comparison; the new side takes `1 + change` times as long."""
    seeds = rng.normal(0, SEED_SIGMA, (repeats, 1))
    sides = []
    for factor in (1.0, 1.0 + change):
        level = seeds + rng.normal(0, sigma, (repeats, 1)) + np.log(factor)
        # Stationary from the first request on, with REQUEST_SIGMA as its standard deviation.
        steps = rng.normal(0, REQUEST_SIGMA, (repeats, REQUESTS))
        steps[:, 1:] *= np.sqrt(1 - CORRELATION**2)
        sides.append(level + lfilter([1], [1, -CORRELATION], steps, axis=1))
    return Pairs(*sides)


def judged(tables: list[list[Pairs]], rules: Rules) -> list[list[str]]:
    """Verdicts of tables, each of which is corrected for its number of rows."""
    with mock.patch.object(verdicts, "interval", return_value=None):
        return [
            [row.verdict for row in verdicts.judge([_question(p) for p in table], rules)]
            for table in tables
        ]


def _question(pairs: Pairs) -> verdicts.Question:
    return verdicts.Question(P50, {}, "base", "new", pairs.figures())


def pooled_alarm(pairs: Pairs) -> bool:
    """Say what a rank test over all requests would: the mistake that is not made here."""
    return bool(stats.mannwhitneyu(pairs.base.ravel(), pairs.new.ravel()).pvalue <= 0.05)


def share(hits: int, trials: int) -> dict[str, Any]:
    """Rate with its exact 95 % interval (Clopper and Pearson)."""
    around = stats.binomtest(hits, trials).proportion_ci(0.95, method="exact")
    return {"hits": hits, "trials": trials, "low": around.low, "high": around.high}


def alarm(found: list[str]) -> bool:
    """Whether anything is called faster or slower."""
    return bool({"faster", "slower"} & set(found))


def false_alarms(trials: int) -> Iterator[dict[str, Any]]:
    """One row, the same on both sides; with the threshold, without it, and pooled."""
    for repeats in REPEATS:
        rng = np.random.default_rng([SEED, 1, repeats])
        drawn = [draw(rng, repeats, USUAL_SIGMA) for _ in range(trials)]
        tables = [[pairs] for pairs in drawn]
        by_rule = {
            "with_threshold": sum(map(alarm, judged(tables, Rules()))),
            "permutation_alone": sum(map(alarm, judged(tables, Rules(threshold=0.0)))),
        }
        yield {
            "repeats": repeats,
            **{name: share(hits, trials) for name, hits in by_rule.items()},
            "pooled": share(sum(map(pooled_alarm, drawn[: trials // 10])), trials // 10),
        }


def table_alarms(trials: int) -> Iterator[dict[str, Any]]:
    """Tables of many rows without any difference: how many have one alarm or more."""
    for repeats in (10, 16):
        rng = np.random.default_rng([SEED, 2, repeats])
        tables = [[draw(rng, repeats, USUAL_SIGMA) for _ in range(ROWS)] for _ in range(trials)]
        hits = sum(map(alarm, judged(tables, Rules(threshold=0.0))))
        yield {"repeats": repeats, "rows": ROWS, "any_alarm": share(hits, trials)}


def power(trials: int) -> Iterator[dict[str, Any]]:
    """One row whose new side is slower by `CHANGE`: how often it is found."""
    for sigma in PROCESS_SIGMAS:
        for repeats in REPEATS:
            rng = np.random.default_rng([SEED, 3, repeats, round(1e4 * sigma)])
            drawn = [draw(rng, repeats, sigma, CHANGE) for _ in range(trials)]
            effects = [np.log(new / base) for pairs in drawn for base, new in pairs.figures()]
            found = {}
            for threshold in (0.01, 0.02):
                told = judged([[pairs] for pairs in drawn], Rules(threshold=threshold))
                counts = Counter(verdict for table in told for verdict in table)
                found[f"slower_{threshold:g}"] = share(counts["slower"], trials)
                found[f"others_{threshold:g}"] = dict(counts - Counter(slower=counts["slower"]))
            yield {
                "process_sigma": sigma,
                "repeats": repeats,
                "effect_sigma": float(np.std(effects)),
                **found,
            }


def simulate(scale: float = 1.0) -> dict[str, Any]:
    """All of it; `scale` of the trials."""
    return {
        "command": COMMAND,
        "coinfer": coinfer.__version__,
        "model": {
            "requests": REQUESTS,
            "seed_sigma": SEED_SIGMA,
            "request_sigma": REQUEST_SIGMA,
            "correlation": CORRELATION,
            "usual_process_sigma": USUAL_SIGMA,
            "change": CHANGE,
        },
        "false_alarms": list(false_alarms(round(scale * AA_TRIALS))),
        "tables": list(table_alarms(round(scale * TABLE_TRIALS))),
        "power": list(power(round(scale * POWER_TRIALS))),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(simulate(), indent=1) + "\n", encoding="utf-8")
