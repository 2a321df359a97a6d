"""docs/statistics.md says what the simulation found, and the simulation still finds it."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "perf" / "statistics"
PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
DATA = json.loads((ROOT / "results/reference/statistics/simulation.json").read_text("utf-8"))


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("table", ["alarms", "tables", "power"])
def test_the_tables_are_those_of_the_data(table):
    rows = list(getattr(script("tables"), table)(DATA))
    assert rows
    assert "\n".join(rows) in PAGE
    assert DATA["command"] in PAGE


def test_the_model_of_the_page_is_that_of_the_data():
    simulate = script("simulate")
    assert DATA["command"] == simulate.COMMAND
    model = DATA["model"]
    said = PAGE.partition("## How often it is wrong")[2]
    for name in ("seed_sigma", "request_sigma", "usual_process_sigma"):
        assert f"σ = {100 * model[name]:g} %" in said
    assert f"all its {model['requests']} requests" in said
    assert f"correlation of {model['correlation']:g}" in said


def test_false_alarms_are_at_most_five_percent():
    """As far as so many trials can tell: no interval lies above 5 %, and pooling's all do."""
    for row in DATA["false_alarms"]:
        for rule in ("with_threshold", "permutation_alone"):
            assert row[rule]["low"] <= 0.05
        assert row["pooled"]["low"] > 0.05
    for row in DATA["tables"]:
        assert row["any_alarm"]["low"] <= 0.05


def test_what_is_slower_is_not_called_faster():
    wrong, trials = script("tables").wrong_way(DATA)
    assert wrong / trials < 0.001
    assert f"{wrong} of these {trials} comparisons" in PAGE


def test_the_simulation_run_again_gives_such_rates():
    """Fewer trials than in the data, with the same rules: within the binomial of theirs."""
    simulate = script("simulate")
    trials = 150
    for row in itertools.islice(simulate.false_alarms(trials), 2):
        assert row["permutation_alone"]["hits"] <= stats.binom.ppf(0.9999, trials, 0.05)


def test_what_is_drawn_has_the_scatter_that_was_asked_for():
    simulate = script("simulate")
    rng = np.random.default_rng(5)
    pairs = simulate.draw(rng, 4000, 0.02, change=0.03)
    within = pairs.base - pairs.base.mean(axis=1, keepdims=True)
    assert within.std() == pytest.approx(simulate.REQUEST_SIGMA, rel=0.02)
    lag = (within[:, 1:] * within[:, :-1]).mean() / within.var()
    assert lag == pytest.approx(simulate.CORRELATION, abs=0.02)
    # Seed and process of one side, and what the mean over correlated requests leaves.
    levels = pairs.base.mean(axis=1)
    assert levels.std() == pytest.approx(simulate.SEED_SIGMA, rel=0.05)
    assert (pairs.new - pairs.base).mean() == pytest.approx(np.log(1.03), abs=0.002)
