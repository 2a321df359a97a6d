"""WideResNet for small images: pre-activation residual units in three groups [related]."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coinfer.models.pieces import Pieces, stem_convolution
from coinfer.models.specs import BackboneSpec

_ONEDNN_BLOCK_CHANNELS = 16


class Projection(nn.Conv2d):
    """1×1 convolution without bias, where the stride and the channels of a shortcut change.

    With fewer input channels than oneDNN takes at a time (8 with AVX2, 16 with AVX-512), the
    gradient of a strided one writes past its work space when channels come last
    (uxlfoundation/oneDNN#6035). Dropping the skipped positions first means the same and is safe.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels, H / stride, W / stride)."""
        if self.in_channels >= _ONEDNN_BLOCK_CHANNELS or not torch.is_grad_enabled():
            return super().forward(x)
        down, right = self.stride
        return F.conv2d(x[:, :, ::down, ::right], self.weight)


class ResidualUnit(nn.Module):
    """BN-ReLU-conv twice, added to the input, or to its 1×1 projection where channels change."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.project: Projection | None = None
        if in_channels != channels or stride != 1:
            self.project = Projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels, H / stride, W / stride)."""
        activated = F.relu(self.norm1(x), inplace=True)
        y: Tensor = self.conv2(F.relu(self.norm2(self.conv1(activated)), inplace=True))
        # The projection reads the activated input, the identity the raw one.
        return torch.add(y, x if self.project is None else self.project(activated))


def wide_resnet(spec: BackboneSpec, in_channels: int) -> Pieces:
    """Stem, 3 × (depth − 4) / 6 residual units, and BN-ReLU as the tail."""
    before = spec.first_channels
    stem = stem_convolution(in_channels, before, spec.stem_stride)
    units: list[nn.Module] = []
    channels: list[int] = []
    for group in range(3):
        wide = round(spec.first_channels * spec.width) * 2**group
        for index in range((spec.depth - 4) // 6):
            units.append(ResidualUnit(before, wide, 2 if group > 0 and index == 0 else 1))
            channels.append(wide)
            before = wide
    tail = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU(inplace=True))
    return Pieces(stem, units, channels, tail, before)
