"""What leaving early came to, against the network without exits run by itself."""

from __future__ import annotations

import msgspec
import pytest

from coinfer.execute import run_cells
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite


def finished(method: str, **parameters):
    chosen = {"method": [method], "faults": ["none"], "run_seed": [0]}
    (cell,) = expand(load_suite("smoke"), parameter_types(), chosen)
    choice = cell.method
    choice = msgspec.structs.replace(choice, parameters={**choice.parameters, **parameters})
    cell = msgspec.structs.replace(cell, method=choice)
    (found,) = run_cells([cell], workers=1, timeout_s=None, on_progress=lambda _: None)
    assert found.error is None
    return found


def test_losses_and_savings_are_those_against_the_same_network_without_exits():
    target = {"risk": {"epsilon_points": 5.0, "delta": 0.1, "control": "ltt"}}
    early = finished("distree-strict", rule="max-probability", target=target)
    whole = finished("distree-strict", rule="never")
    assert early.told["exit_rule"] == "max-probability"
    assert early.told["target"] == target
    assert len(early.told["threshold"]) == 2
    assert 0 <= early.told["ece"] < 0.2
    pairs = list(zip(early.outcome.records, whole.outcome.records, strict=True))
    assert {e.exit for e, _ in pairs} - {3}
    harmed = sum(w.prediction == w.label != e.prediction for e, w in pairs)
    gained = sum(w.prediction != w.label == e.prediction for e, w in pairs)
    assert early.told["realised_risk"] == pytest.approx(harmed / 40)
    assert early.told["accuracy_loss_points"] == pytest.approx(100 * (harmed - gained) / 40)
    saved = 1 - sum(e.macs for e, _ in pairs) / sum(w.macs for _, w in pairs)
    assert early.told["macs_saved_fraction"] == pytest.approx(saved)
    assert whole.told["macs_saved_fraction"] == whole.told["accuracy_loss_points"] == 0


def test_methods_without_exits_tell_nothing_of_them():
    assert "exit_rule" not in finished("nonn").told
