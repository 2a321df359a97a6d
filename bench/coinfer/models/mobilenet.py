"""MobileNet-v2 for small images, as the related work measures it [related].

Where only the channels change, a 1×1 convolution is the shortcut.
"""

from __future__ import annotations

from torch import Tensor, nn

from coinfer.models.pieces import Pieces, stem_convolution
from coinfer.models.specs import BackboneSpec

# (expansion, channels before the multiplier, repeats, stride of the first); the 24-channel stage
# keeps its resolution, as 32×32 inputs need.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_TAIL_CHANNELS = 1280
_STEM_CHANNELS = 32


def _normalised(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels)]


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise 3×3, linear 1×1; a shortcut wherever the stride is one."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.body = nn.Sequential(
            *_normalised(nn.Conv2d(in_channels, hidden, 1, bias=False)),
            nn.ReLU6(),
            *_normalised(nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)),
            nn.ReLU6(),
            *_normalised(nn.Conv2d(hidden, channels, 1, bias=False)),
        )
        self.shortcut: nn.Module | None = None
        if stride == 1:
            self.shortcut = nn.Identity()
            if in_channels != channels:
                project = nn.Conv2d(in_channels, channels, 1, bias=False)
                self.shortcut = nn.Sequential(*_normalised(project))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels, H / stride, W / stride)."""
        y: Tensor = self.body(x)
        return y if self.shortcut is None else y + self.shortcut(x)


def mobilenet_v2(spec: BackboneSpec, in_channels: int) -> Pieces:
    """Stem, 17 inverted residuals, and a 1×1 convolution as the tail."""
    scale = spec.width * spec.first_channels / _STEM_CHANNELS
    before = max(1, int(_STEM_CHANNELS * scale))
    stem = nn.Sequential(
        *_normalised(stem_convolution(in_channels, before, spec.stem_stride)), nn.ReLU6()
    )
    units: list[nn.Module] = []
    channels: list[int] = []
    for expansion, wide, repeats, first_stride in _STAGES:
        narrow = max(1, int(wide * scale))
        for index in range(repeats):
            stride = first_stride if index == 0 else 1
            units.append(InvertedResidual(before, narrow, stride, expansion))
            channels.append(narrow)
            before = narrow
    last = max(1, int(_TAIL_CHANNELS * scale))
    tail = nn.Sequential(*_normalised(nn.Conv2d(before, last, 1, bias=False)), nn.ReLU6())
    return Pieces(stem, units, channels, tail, last)
