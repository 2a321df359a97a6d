"""Builds modules from the zoo; a function by name, so that other processes can be told it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from coinfer.contract import ModuleRef
from coinfer.models import build as build_module
from coinfer.training.zoo import Zoo

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(ref: ModuleRef) -> nn.Module:
    """Build a module with its weights, ready for inference.

    Raises
    ------
    ArtifactError
        If the weights are missing or damaged.
    """
    weights = None if ref.weights_sha256 is None else _weights(ref.weights_sha256)
    return build_module(ref, weights)


@lru_cache(maxsize=8)
def _weights(sha256: str) -> Mapping[str, Tensor]:
    return Zoo().weights(sha256)
