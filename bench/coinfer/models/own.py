"""Brings in a module that this project does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from coinfer.contract import INPUT, ModuleRef, Need, Stage
from coinfer.models.cost import Shape
from coinfer.models.stages import stage


def state_tensors(module: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """Return a module's state as contiguous tensors that share no memory, ready for the zoo."""
    return {
        prefix + name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }


def own_stage(
    stage_id: str,
    factory: str,
    shapes: Sequence[Shape],
    weights_sha256: str | None,
    arguments: Mapping[str, Any] | None = None,
    needs: Sequence[Need] = (Need(INPUT),),
    to_source: bool = True,
) -> Stage:
    """Make a stage of a user's module.

    Parameters
    ----------
    stage_id : str
    factory : str
        Import path ``package.module:function`` of a function that returns the module; every
        device must be able to import it.
    shapes : sequence of tuple of int
        Shape of one row of each input.
    weights_sha256 : str or None
        Of the state that ``Zoo.put`` stored from `state_tensors`; None keeps the factory's.
    arguments : Mapping[str, Any], optional
        JSON values for the factory.
    needs : sequence of Need
    to_source : bool

    Raises
    ------
    UsageError
        If the factory cannot be imported or called.
    ContractError
        If its module does not return (rows, …) in float32.
    """
    ref = ModuleRef(factory, dict(arguments or {}), weights_sha256)
    return stage(stage_id, ref, needs, shapes, to_source)
