"""Builds modules from their references, and the builders of this project's own models."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import msgspec
from torch import Tensor, nn

from coinfer.contract import ModuleRef
from coinfer.errors import ArtifactError, UsageError
from coinfer.models.classifier import Classifier
from coinfer.models.specs import StudentSpec, TeacherSpec
from coinfer.models.student import Student
from coinfer.models.subset import AnySubsetHead


def build(ref: ModuleRef, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build a module in evaluation mode.

    Parameters
    ----------
    ref : ModuleRef
    weights : Mapping[str, Tensor], optional
        All entries of the artifact; those under ``ref.prefix`` are loaded, and they must be
        exactly the module's. None keeps the builder's initial values.

    Raises
    ------
    UsageError
        If the builder cannot be imported or does not take the arguments.
    ArtifactError
        If entries are missing, unexpected or of another shape.
    """
    module = _call(ref)
    if weights is not None:
        start = len(ref.prefix)
        own = {n[start:]: t for n, t in weights.items() if n.startswith(ref.prefix)}
        _load(module, own, ref)
    return module.eval()


def _call(ref: ModuleRef) -> nn.Module:
    path, _, function = ref.builder.partition(":")
    try:
        builder = getattr(importlib.import_module(path), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"no builder {ref.builder!r} ({error}); give an importable 'package.module:function'"
        ) from error
    try:
        module = builder(**ref.arguments)
    except (TypeError, msgspec.ValidationError) as error:
        message = f"{ref.builder} does not take the arguments {dict(ref.arguments)}: {error}"
        raise UsageError(message) from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"{ref.builder} returned {type(module).__name__}, not a torch.nn.Module")
    return module


def _load(module: nn.Module, own: Mapping[str, Tensor], ref: ModuleRef) -> None:
    expected = module.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in own]
    wrong += [f"{name} is unexpected" for name in own if name not in expected]
    wrong += [
        f"{name} has shape {tuple(own[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in own and own[name].shape != tensor.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ArtifactError(
            f"the weights {ref.weights_sha256} under {ref.prefix!r} do not fit {ref.builder}: "
            f"{'; '.join(wrong[:3])}{more}; train again, or name the weights that belong to it"
        )
    module.load_state_dict(dict(own))


def teacher(spec: Mapping[str, Any], in_channels: int, classes: int) -> nn.Module:
    """Build a whole classifier: image to logits."""
    return Classifier(msgspec.convert(spec, TeacherSpec), in_channels, classes)


def student(spec: Mapping[str, Any], in_channels: int, filters: int) -> nn.Module:
    """Build a whole student: image to the last exit's portion."""
    return Student(msgspec.convert(spec, StudentSpec), in_channels, filters)


def student_block(spec: Mapping[str, Any], in_channels: int, block: int) -> nn.Module:
    """Build block `block` of a student, counted from 1: image or feature map to feature map."""
    whole = Student(msgspec.convert(spec, StudentSpec), in_channels, filters=1)
    return whole.blocks[block - 1]


def student_exit(spec: Mapping[str, Any], in_channels: int, filters: int, exit: int) -> nn.Module:  # noqa: A002
    """Build exit head `exit` of a student, counted from 1: feature map to portion."""
    whole = Student(msgspec.convert(spec, StudentSpec), in_channels, filters)
    return whole.exits[exit - 1]


def source_head(features: int, classes: int) -> nn.Module:
    """Build the fully connected head of one exit: concatenated portions to logits."""
    return nn.Linear(features, classes)


def any_subset_head(features: int, partitions: int, classes: int, hidden: int) -> nn.Module:
    """Build the head that takes concatenated portions and which of them are there."""
    return AnySubsetHead(features, partitions, classes, hidden)
