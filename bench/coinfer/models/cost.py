"""What a module costs for one row: operations, memory and the shape of its output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from coinfer.contract import ModuleRef
from coinfer.errors import ContractError
from coinfer.models.build import build

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Cost of one row.

    Attributes
    ----------
    macs : int
        Multiply-accumulates of convolutions and matrix products: half of what PyTorch's
        FlopCounterMode counts. Normalisation, activation and pooling are not counted.
    weights_bytes : int
        Parameters and buffers, which stay resident.
    activation_bytes : int
        The largest input and output that one leaf module holds at the same time.
    output : tuple of int
        Shape of one output row, without the row axis.
    """

    macs: int
    weights_bytes: int
    activation_bytes: int
    output: Shape


def measure(module: nn.Module, *shapes: Shape) -> Cost:
    """Measure a module on a batch of one.

    Parameters
    ----------
    module : nn.Module
    *shapes : tuple of int
        Shape of one row of each input, in the order of ``forward``.

    Raises
    ------
    ContractError
        If the module does not return a float32 tensor with the row axis first.
    """
    peak_bytes = 0

    def watch(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal peak_bytes
        held = [t for t in (*inputs, output) if isinstance(t, Tensor)]
        peak_bytes = max(peak_bytes, sum(t.numel() * t.element_size() for t in held))

    leaves = [m for m in module.modules() if not any(m.children())]
    hooks = [leaf.register_forward_hook(watch) for leaf in leaves]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            output = module(*(torch.zeros(1, *shape) for shape in shapes))
    finally:
        for hook in hooks:
            hook.remove()
        module.train(was_training)
    if not isinstance(output, Tensor) or output.dtype != torch.float32 or output.shape[:1] != (1,):
        raise ContractError(
            f"{type(module).__name__} must return one float32 tensor of shape (rows, …) for "
            f"inputs {shapes}; wrap it in a module that does"
        )
    held = [*module.parameters(), *module.buffers()]
    return Cost(
        macs=counter.get_total_flops() // 2,
        weights_bytes=sum(t.numel() * t.element_size() for t in held),
        activation_bytes=peak_bytes,
        output=tuple(output.shape[1:]),
    )


def cost_of(ref: ModuleRef, *shapes: Shape) -> Cost:
    """Measure the module that `ref` names, without its weights; remembered by its arguments."""
    return _cost_of(ref.builder, msgspec.json.encode(dict(ref.arguments), order="sorted"), shapes)


@lru_cache(maxsize=4096)
def _cost_of(builder: str, arguments: bytes, shapes: tuple[Shape, ...]) -> Cost:
    # A builder draws initial weights; the caller's random stream must not notice.
    with torch.random.fork_rng(devices=[]):
        module = build(ModuleRef(builder, msgspec.json.decode(arguments)))
    return measure(module, *shapes)
