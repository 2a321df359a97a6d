"""Stages of students, built from references, against the model that they were cut from."""

import subprocess
import sys

import pytest
import torch

from coinfer.contract import INPUT, ModuleRef, Need, permit
from coinfer.errors import ArtifactError, ContractError, UsageError
from coinfer.models import (
    Classifier,
    JointModel,
    JointSpec,
    StudentSpec,
    TeacherSpec,
    build,
    builtins,
    canonical_sha256,
    cost_of,
    head_stage,
    own_stage,
    state_tensors,
    student_stages,
    teacher_stage,
)

SHAPE = (1, 8, 8)


def joint(exits: int, family: str = "wrn") -> tuple[JointModel, dict[str, torch.Tensor]]:
    depth = 10 if family == "wrn" else 0
    student = StudentSpec(family, depth, 1, base=4, exits=exits)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = JointModel(JointSpec((student, student), (5, 3), SHAPE, 10))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    return model.eval(), state_tensors(model)


@pytest.mark.parametrize("family", ["wrn", "mobilenet-v2"])
@pytest.mark.parametrize("exits", [1, 2, 3])
def test_stages_compute_what_the_joint_model_does(exits: int, family: str) -> None:
    model, weights = joint(exits, family)
    x = torch.randn(4, *SHAPE)
    with torch.no_grad():
        expected = model(x)
        at_source: dict[str, torch.Tensor] = {}
        for k in range(2):
            values = {INPUT: x}
            for stage in student_stages(model.spec, k, "sha"):
                module = build(stage.module, weights)
                values[stage.id] = module(*(values[need.stage] for need in stage.needs))
                assert values[stage.id].shape[1:] == stage.output
                if stage.to_source:
                    at_source[stage.id] = values[stage.id]
        for b in range(exits):
            ids = [f"s{k}.e{b + 1}" if exits > 1 else f"s{k}" for k in range(2)]
            for k, stage_id in enumerate(ids):
                torch.testing.assert_close(at_source[stage_id], expected.portions[b][k])
            head = build(head_stage(model.spec, b + 1, "sha").module, weights)
            logits = head(torch.cat([at_source[i] for i in ids], dim=1))
            torch.testing.assert_close(logits, expected.logits[b])


def test_one_exit_is_one_stage_and_strict_blocks_wait_for_a_permit() -> None:
    model, _ = joint(1)
    assert [s.id for s in student_stages(model.spec, 1, None)] == ["s1"]
    model, _ = joint(3)
    by_id = {s.id: s for s in student_stages(model.spec, 0, None, strict=True)}
    assert list(by_id) == ["s0.b1", "s0.e1", "s0.b2", "s0.e2", "s0.b3", "s0.e3"]
    assert by_id["s0.b1"].needs == (Need(INPUT),)
    assert by_id["s0.b2"].needs == (Need("s0.b1", same_device=True), Need(permit("exit2")))
    assert by_id["s0.e2"].needs == (Need("s0.b2", same_device=True),)
    assert [s.id for s in by_id.values() if s.to_source] == ["s0.e1", "s0.e2", "s0.e3"]
    assert head_stage(model.spec, 2, None).needs == ()


def test_the_whole_student_costs_what_its_blocks_cost() -> None:
    model, _ = joint(3)
    ref = ModuleRef(
        "coinfer.models.build:student",
        {"spec": builtins(model.spec.students[0]), "in_channels": 1, "filters": 5},
    )
    by_id = {s.id: s for s in student_stages(model.spec, 0, None)}
    pieces = sum(by_id[i].macs for i in ("s0.b1", "s0.b2", "s0.b3", "s0.e3"))
    assert cost_of(ref, SHAPE).macs == pieces


def test_a_dropped_portion_is_zero_filled_at_the_heads_only() -> None:
    model, _ = joint(2)
    x = torch.randn(3, *SHAPE)
    with torch.no_grad():
        whole, lossy = model(x), model(x, torch.tensor([[True, False]] * 3))
    for b in range(2):
        torch.testing.assert_close(lossy.portions[b][1], whole.portions[b][1])
        alone = torch.cat([whole.portions[b][0], torch.zeros(3, 3)], dim=1)
        torch.testing.assert_close(lossy.logits[b], model.heads[b](alone))


def test_the_teacher_stage_is_the_classifier() -> None:
    spec = TeacherSpec("wrn", 10, 1, base=4)
    model = Classifier(spec, 1, 10).eval()
    stage = teacher_stage(spec, SHAPE, 10, "sha")
    x = torch.randn(2, *SHAPE)
    rebuilt = build(stage.module, state_tensors(model, "model."))
    torch.testing.assert_close(rebuilt(x), model(x))
    assert (stage.id, stage.output, stage.to_source) == ("teacher", (10,), True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda w: w.pop("heads.0.bias"), "bias is missing"),
        (lambda w: w.update({"heads.0.extra": torch.zeros(1)}), "extra is unexpected"),
        (lambda w: w.update({"heads.0.bias": torch.zeros(9)}), r"bias has shape \(9,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, problem: str) -> None:  # type: ignore[no-untyped-def]
    model, weights = joint(1)
    change(weights)
    with pytest.raises(ArtifactError, match=problem):
        build(head_stage(model.spec, 1, "sha").module, weights)


def test_a_module_of_ones_own_is_a_stage() -> None:
    own = own_stage("own", "torch.nn:Linear", [(6,)], None, {"in_features": 6, "out_features": 4})
    assert (own.macs, own.output, own.weights_bytes) == (24, (4,), 4 * 28)
    weights = state_tensors(torch.nn.Linear(6, 4))
    torch.testing.assert_close(build(own.module, weights).state_dict()["bias"], weights["bias"])


def test_a_builder_that_is_no_module_is_refused() -> None:
    for builder in ("nowhere:at_all", "torch.nn:NoSuch", "builtins:dict", "no-colon"):
        with pytest.raises(UsageError):
            build(ModuleRef(builder))
    with pytest.raises(UsageError, match="does not take the arguments"):
        build(ModuleRef("torch.nn:Linear", {"wrong": 1}))
    with pytest.raises(ContractError, match="one float32 tensor"):
        own_stage("own", "torch.nn:LSTM", [(6,)], None, {"input_size": 6, "hidden_size": 2})


def test_measuring_leaves_the_random_stream_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    cost_of(ModuleRef("torch.nn:Linear", {"in_features": 3, "out_features": 77}), (3,))
    torch.testing.assert_close(torch.rand(1), expected)


def test_digests_do_not_depend_on_how_a_number_is_written() -> None:
    assert canonical_sha256(StudentSpec(width=1)) == canonical_sha256(StudentSpec(width=1.0))
    assert canonical_sha256(StudentSpec(exits=1)) != canonical_sha256(StudentSpec(exits=2))


def test_importing_the_contract_does_not_import_torch() -> None:
    code = "import sys, coinfer.contract, coinfer_datasets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
