"""A student in blocks with a portion head at each exit, and students that answer together."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from coinfer.errors import UsageError
from coinfer.models.backbone import backbone
from coinfer.models.pieces import GlobalAveragePool
from coinfer.models.specs import JointSpec, StudentSpec


def _portion_head(channels: int, filters: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, filters, 1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
        GlobalAveragePool(),
    ]


def exit_head(channels: int, hidden: int, filters: int, last: bool) -> nn.Sequential:
    """Make the head that turns a block's output into a portion of `filters` values.

    The last exit is a 1×1 convolution, BN, ReLU and pool [related]. An earlier one, whose features
    have seen few layers, first has a 3×3 stride-2 convolution [ours]: without it exit 1 is weak.
    """
    if last:
        return nn.Sequential(*_portion_head(channels, filters))
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, hidden, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        *_portion_head(hidden, filters),
    )


class Student(nn.Module):
    """One student: ``blocks[b]`` continues ``blocks[b - 1]``, ``exits[b]`` reads ``blocks[b]``."""

    def __init__(self, spec: StudentSpec, in_channels: int, filters: int) -> None:
        super().__init__()
        pieces = backbone(spec, in_channels)
        count = len(pieces.units)
        if spec.exits > count:
            raise UsageError(f"{spec.name} has {count} residual blocks, too few for its exits")
        cuts = [round(b * count / spec.exits) for b in range(spec.exits + 1)]
        blocks = [list(pieces.units[a:b]) for a, b in pairwise(cuts)]
        blocks[0].insert(0, pieces.stem)
        blocks[-1].append(pieces.tail)
        channels = [pieces.channels[cut - 1] for cut in cuts[1:-1]] + [pieces.tail_channels]
        hidden = max(1, round(2 * spec.first_channels * spec.width))
        self.blocks = nn.ModuleList(nn.Sequential(*block) for block in blocks)
        self.exits = nn.ModuleList(
            exit_head(c, hidden, filters, last=b == spec.exits) for b, c in enumerate(channels, 1)
        )

    def portions(self, x: Tensor) -> list[Tensor]:
        """Portions of all exits, each of shape (N, filters)."""
        found = []
        for block, head in zip(self.blocks, self.exits, strict=True):
            x = block(x)
            found.append(head(x))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Portion of the last exit, shape (N, filters)."""
        for block in self.blocks:
            x = block(x)
        portion: Tensor = self.exits[-1](x)
        return portion


class JointOutput(NamedTuple):
    """What K students and the source's heads make of a batch.

    Attributes
    ----------
    portions : list of list of Tensor
        ``portions[b][k]`` of shape (N, filters of k).
    logits : list of Tensor
        ``logits[b]`` of shape (N, classes).
    """

    portions: list[list[Tensor]]
    logits: list[Tensor]


class JointModel(nn.Module):
    """K students and, at the source, one fully connected head an exit."""

    def __init__(self, spec: JointSpec) -> None:
        super().__init__()
        self.spec = spec
        self.students = nn.ModuleList(
            Student(student, spec.shape[0], filters)
            for student, filters in zip(spec.students, spec.filters, strict=True)
        )
        self.heads = nn.ModuleList(
            nn.Linear(spec.features, spec.classes) for _ in range(spec.exits)
        )

    def forward(self, x: Tensor, keep: Tensor | None = None) -> JointOutput:
        """Run all students and heads.

        Parameters
        ----------
        x : Tensor of float32, shape (N, C, H, W)
        keep : Tensor of bool, shape (N, K), optional
            Portions that reach the heads; the others are zero-filled, as a lost one is.
        """
        by_student = [cast(Student, student).portions(x) for student in self.students]
        portions = [list(of_exit) for of_exit in zip(*by_student, strict=True)]
        logits = []
        for of_exit, head in zip(portions, self.heads, strict=True):
            if keep is not None:
                of_exit = [v * keep[:, k : k + 1] for k, v in enumerate(of_exit)]
            logits.append(head(torch.cat(of_exit, dim=1)))
        return JointOutput(portions, logits)
