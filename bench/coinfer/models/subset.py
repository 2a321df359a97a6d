"""A head that answers from any subset of the portions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AnySubsetHead(nn.Module):
    """Two fully connected layers on the portions and on which of them are there [ours].

    Told what is missing, it can read the same zeros in one way where a portion is silent and in
    another where it is lost, which one linear layer cannot.

    Parameters
    ----------
    features : int
        Values in the concatenated portions.
    partitions : int
        K.
    classes, hidden : int
    """

    def __init__(self, features: int, partitions: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(features + partitions, hidden)
        self.answer = nn.Linear(hidden, classes)

    def forward(self, portions: Tensor, present: Tensor) -> Tensor:
        """Logits.

        Parameters
        ----------
        portions : Tensor of float32, shape (N, features)
            Zeros for what is missing.
        present : Tensor of float32, shape (N, K)
            One for a portion that is there, zero for one that is not.

        Returns
        -------
        Tensor, shape (N, classes)
        """
        hidden = torch.relu(self.hidden(torch.cat([portions, present], dim=1)))
        logits: Tensor = self.answer(hidden)
        return logits
