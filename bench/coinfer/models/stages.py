"""Stages of trained models: what a method deploys."""

from __future__ import annotations

from collections.abc import Sequence

from coinfer.contract import INPUT, ModuleRef, Need, Stage, permit
from coinfer.models.cost import Shape, cost_of
from coinfer.models.specs import JointSpec, TeacherSpec, builtins

_BUILDERS = "coinfer.models.build"


def stage(
    stage_id: str,
    module: ModuleRef,
    needs: Sequence[Need],
    shapes: Sequence[Shape],
    to_source: bool = True,
) -> Stage:
    """Make a stage of any module, with its cost measured.

    This is how a module of one's own is brought in: its reference names any importable function
    that returns a ``torch.nn.Module``; see `coinfer.models.own.own_stage`.

    Parameters
    ----------
    stage_id : str
    module : ModuleRef
    needs : sequence of Need
        Permits may be among them.
    shapes : sequence of tuple of int
        Shape of one row of each input of the module, in order.
    to_source : bool
    """
    cost = cost_of(module, *shapes)
    return Stage(
        id=stage_id,
        module=module,
        needs=tuple(needs),
        output=cost.output,
        to_source=to_source,
        macs=cost.macs,
        weights_bytes=cost.weights_bytes,
        activation_bytes=cost.activation_bytes,
    )


def student_stages(
    spec: JointSpec, k: int, weights_sha256: str | None, strict: bool = False
) -> list[Stage]:
    """Make the stages of student `k`.

    Parameters
    ----------
    spec : JointSpec
    k : int
        Partition number, from 0.
    weights_sha256 : str or None
        The joint artifact's weights; None plans without weights.
    strict : bool
        Block b ≥ 2 waits for ``Permit("exit{b}")`` (DistrEE's strict mode [ours]).

    Returns
    -------
    list of Stage
        For one exit ``s{k}``: input to portion. For more, ``s{k}.b{b}`` (block, stays on the
        device) and ``s{k}.e{b}`` (exit head, portion to the source) for b from 1.
    """
    student, filters = spec.students[k], spec.filters[k]
    arguments = {"spec": builtins(student), "in_channels": spec.shape[0]}
    prefix = f"students.{k}."
    if student.exits == 1:
        whole = ModuleRef(
            f"{_BUILDERS}:student", arguments | {"filters": filters}, weights_sha256, prefix
        )
        return [stage(f"s{k}", whole, [Need(INPUT)], [spec.shape])]
    stages = []
    needs = [Need(INPUT)]
    shape: Shape = spec.shape
    for b in range(1, student.exits + 1):
        block = ModuleRef(
            f"{_BUILDERS}:student_block",
            arguments | {"block": b},
            weights_sha256,
            f"{prefix}blocks.{b - 1}.",
        )
        head = ModuleRef(
            f"{_BUILDERS}:student_exit",
            arguments | {"filters": filters, "exit": b},
            weights_sha256,
            f"{prefix}exits.{b - 1}.",
        )
        if strict and b > 1:
            needs.append(Need(permit(f"exit{b}")))
        stages.append(stage(f"s{k}.b{b}", block, needs, [shape], to_source=False))
        shape = stages[-1].output
        needs = [Need(f"s{k}.b{b}", same_device=True)]
        stages.append(stage(f"s{k}.e{b}", head, needs, [shape]))
    return stages


def head_stage(spec: JointSpec, b: int, weights_sha256: str | None) -> Stage:
    """Make ``head{b}``, which the fusion rule evaluates at the source on concatenated portions.

    Parameters
    ----------
    spec : JointSpec
    b : int
        Exit, from 1.
    weights_sha256 : str or None
    """
    arguments = {"features": spec.features, "classes": spec.classes}
    ref = ModuleRef(f"{_BUILDERS}:source_head", arguments, weights_sha256, f"heads.{b - 1}.")
    return stage(f"head{b}", ref, [], [(spec.features,)], to_source=False)


def any_subset_stage(spec: JointSpec, hidden: int, weights_sha256: str | None) -> Stage:
    """Make ``any-subset``, a head for concatenated portions and which of them are there.

    Parameters
    ----------
    spec : JointSpec
    hidden : int
        Units of the hidden layer.
    weights_sha256 : str or None
        Of the head's own artifact.
    """
    partitions = len(spec.filters)
    arguments = {
        "features": spec.features,
        "partitions": partitions,
        "classes": spec.classes,
        "hidden": hidden,
    }
    ref = ModuleRef(f"{_BUILDERS}:any_subset_head", arguments, weights_sha256)
    return stage("any-subset", ref, [], [(spec.features,), (partitions,)], to_source=False)


def teacher_ref(
    spec: TeacherSpec, in_channels: int, classes: int, weights_sha256: str | None
) -> ModuleRef:
    """Name a whole classifier whose weights lie under ``model.``."""
    arguments = {"spec": builtins(spec), "in_channels": in_channels, "classes": classes}
    return ModuleRef(f"{_BUILDERS}:teacher", arguments, weights_sha256, "model.")


def classifier_stage(
    stage_id: str,
    spec: TeacherSpec,
    shape: tuple[int, int, int],
    classes: int,
    weights_sha256: str | None,
) -> Stage:
    """Make a stage of a whole classifier: rows of shape (C, H, W) to logits."""
    ref = teacher_ref(spec, shape[0], classes, weights_sha256)
    return stage(stage_id, ref, [Need(INPUT)], [shape])


def teacher_stage(
    spec: TeacherSpec, shape: tuple[int, int, int], classes: int, weights_sha256: str | None
) -> Stage:
    """Make ``teacher``: input to logits, for rows of shape (C, H, W)."""
    return classifier_stage("teacher", spec, shape, classes, weights_sha256)
