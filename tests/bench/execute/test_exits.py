"""What leaving early came to, against the network without exits run by itself."""

from __future__ import annotations

import msgspec
import pytest

from coinfer.errors import PlanError
from coinfer.execute import run_cells
from coinfer.execute.profiles import method_of, profile_of, stand_in
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


def test_a_latency_that_is_held_is_told_against_the_network_without_exits_too():
    held = finished("distree-strict", rule="max-probability", qos={"latency_ms": 1.0})
    # Nothing is in time, so that all but the first requests leave at exit 1.
    assert held.told["macs_saved_fraction"] > 0.3
    assert held.told["accuracy_loss_points"] is not None


def test_methods_without_exits_tell_nothing_of_them():
    assert "exit_rule" not in finished("nonn").told


SWEPT = load_suite("distree-sweep").axes.method


def planned(name: str, **parameters):
    """The plan of a variant of `distree-sweep`, with a teacher that is not trained."""
    chosen = {"method": [name], "cluster": ["mixed-8"]}
    (cell,) = expand(load_suite("distree-sweep"), parameter_types(), chosen)
    choice = cell.method
    choice = msgspec.structs.replace(choice, parameters={**choice.parameters, **parameters})
    cell = msgspec.structs.replace(cell, method=choice)
    return method_of(cell).plan(profile_of(cell, stand_in(cell)), cell.cluster)


RIVALS = ("single", "ensemble-8", "nonn")


@pytest.mark.parametrize("name", [name for name in SWEPT if name not in RIVALS])
def test_every_network_of_the_sweep_can_be_planned(name):
    plan = planned(name)
    assert len(plan.costs.macs) == (6 if name.endswith("-x6") else 3)
    assert len(plan.devices) == (8 if name == "eight-devices" else 4)
    if "16" in name:
        assert plan.student.depth == 16
    # What comes later takes more; an exit alone takes less than all before it together.
    assert list(plan.costs.macs) == sorted(plan.costs.macs)
    assert all(a <= m for a, m in zip(plan.costs.alone_macs, plan.costs.macs, strict=True))


@pytest.mark.parametrize(("name", "devices"), [("single", 1), ("ensemble-8", 8)])
def test_static_rivals_take_about_half_the_macs(name, devices):
    whole = planned("wrn-10-1").costs.alone_macs[-1]
    plan = planned(name)
    assert len(plan.members) == devices
    assert 0.45 < sum(member.macs for member in plan.members.values()) / whole < 0.55


def test_a_student_that_is_not_there_is_named():
    with pytest.raises(
        PlanError, match="'wrn-99' is not among the students that are listed: wrn-10"
    ):
        planned("wrn-16-1", student="wrn-99")
