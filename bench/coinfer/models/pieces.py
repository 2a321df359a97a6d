"""A backbone as a stem, a list of residual units and a tail, so that it can be cut anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Pieces:
    """A backbone in pieces.

    Attributes
    ----------
    stem : nn.Module
        Image to the first feature map.
    units : list of nn.Module
        Residual units in order.
    channels : list of int
        Output channels of each unit.
    tail : nn.Module
        Last unit's output to the final feature map.
    tail_channels : int
    """

    stem: nn.Module
    units: list[nn.Module]
    channels: list[int]
    tail: nn.Module
    tail_channels: int


def stem_convolution(in_channels: int, channels: int, stride: int) -> nn.Conv2d:
    """3×3 at stride 1; 4×4 at stride 2, which sees every pixel equally often."""
    kernel = 3 if stride == 1 else 4
    return nn.Conv2d(in_channels, channels, kernel, stride, padding=1, bias=False)


class GlobalAveragePool(nn.Module):
    """(N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Average over the positions."""
        return x.mean(dim=(2, 3))
