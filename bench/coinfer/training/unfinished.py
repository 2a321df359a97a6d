"""Trainings that were cut short go on after their last whole epoch.

All that an epoch draws is keyed by its number, so weights, momentum and learning rate are the whole
state: on one thread a resumed training gives the bits of one that was never interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from coinfer.training.artifacts import write_aside

_MODEL, _MOMENTUM, _STATE = "model.", "momentum.", "state"


class Unfinished:
    """One file with the state after an epoch; the JSON part lies in its header.

    Parameters
    ----------
    path : Path
        Such as ``Zoo.unfinished(address)``; ``Zoo.put`` removes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(
        self,
        module: nn.Module,
        optimiser: torch.optim.SGD,
        rate: torch.optim.lr_scheduler.OneCycleLR,
        figures: dict[str, Any],
    ) -> None:
        """Replace what was saved, in one step.

        Parameters
        ----------
        module : nn.Module
        optimiser : torch.optim.SGD
            With momentum and one group of parameters.
        rate : torch.optim.lr_scheduler.OneCycleLR
        figures : dict
            JSON values that `load` gives back.
        """
        tensors = {_MODEL + name: tensor for name, tensor in module.state_dict().items()}
        for name, parameter in module.named_parameters():
            tensors[_MOMENTUM + name] = optimiser.state[parameter]["momentum_buffer"]
        (group,) = optimiser.param_groups
        state = {
            "group": {"lr": group["lr"], "momentum": group["momentum"]},
            "rate": rate.state_dict(),
            "figures": figures,
        }
        content = safetensors.torch.save(
            {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
            {_STATE: msgspec.json.encode(state).decode()},
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(self._path, content)

    def load(
        self,
        module: nn.Module,
        optimiser: torch.optim.SGD,
        rate: torch.optim.lr_scheduler.OneCycleLR,
    ) -> dict[str, Any] | None:
        """Put everything back as it was saved; None where there is nothing, or it is damaged."""
        try:
            with safetensors.safe_open(self._path, "pt") as stored:
                state = msgspec.json.decode(stored.metadata()[_STATE])
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError, msgspec.DecodeError):
            return None
        module.load_state_dict(_under(tensors, _MODEL))
        for name, parameter in module.named_parameters():
            # In the parameter's own memory layout, which the fused step takes for granted.
            buffer = torch.empty_like(parameter, requires_grad=False)
            optimiser.state[parameter]["momentum_buffer"] = buffer.copy_(tensors[_MOMENTUM + name])
        (group,) = optimiser.param_groups
        group.update(state["group"])
        rate.load_state_dict(state["rate"])
        figures: dict[str, Any] = state["figures"]
        return figures


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
