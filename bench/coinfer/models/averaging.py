"""What the source makes of several classifiers' logits."""

from __future__ import annotations

from torch import Tensor, nn


class MeanProbability(nn.Module):
    """Mean of the members' softmax probabilities, as logits.

    Parameters
    ----------
    members, classes : int
    """

    def __init__(self, members: int, classes: int) -> None:
        super().__init__()
        self.members = members
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """(N, members · classes) to log-probabilities (N, classes)."""
        by_member = x.reshape(-1, self.members, self.classes)
        return by_member.softmax(dim=2).mean(dim=1).log()


def mean_probability(members: int, classes: int) -> nn.Module:
    """Build the average of so many members."""
    return MeanProbability(members, classes)
