"""The distillation loss that students are trained with [related; normalisation ours].

``L = (1 − α)·CE(y, s) + α·T²·KL(softmax(t/T) ‖ softmax(s/T)) + β·mean_k ‖ v̂ᵗ_k − v̂ˢ_k ‖²``,
summed over the exits with weights ``w_b``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_EPSILON = 1e-6


class Terms(NamedTuple):
    """The three weighted terms of the loss; their sum is the loss.

    Attributes
    ----------
    label : Tensor
        ``(1 − α)·CE``.
    teacher : Tensor
        ``α·T²·KL``, averaged over the batch.
    transfer : Tensor
        ``β·mean_k ‖ v̂ᵗ_k − v̂ˢ_k ‖²``, summed over a partition and averaged over the batch.
    """

    label: Tensor
    teacher: Tensor
    transfer: Tensor

    def total(self) -> Tensor:
        """Sum of the terms."""
        return self.label + self.teacher + self.transfer


def transfer_distance(portions: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Return the mean over partitions of the squared distance of the normalised portions.

    Each portion is normalised by itself: replicas and failures need independent parts.

    Parameters
    ----------
    portions, targets : sequence of Tensor, each of shape (N, filters of k)
    """
    distances = [
        (F.normalize(t, dim=1, eps=_EPSILON) - F.normalize(s, dim=1, eps=_EPSILON))
        .square()
        .sum(dim=1)
        .mean()
        for s, t in zip(portions, targets, strict=True)
    ]
    return torch.stack(distances).mean()


def answer_terms(
    logits: Tensor, labels: Tensor, teacher_logits: Tensor, *, alpha: float, temperature: float
) -> dict[str, Tensor]:
    """Compute the two terms that are about answers alone: ``label`` and ``teacher``.

    Parameters
    ----------
    logits, teacher_logits : Tensor, shape (N, classes)
    labels : Tensor of int64, shape (N,)
    alpha : float
        Weight of the teacher's answer against the label's.
    temperature : float
    """
    divergence = F.kl_div(
        F.log_softmax(logits / temperature, dim=1),
        F.log_softmax(teacher_logits / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return {
        "label": (1 - alpha) * F.cross_entropy(logits, labels),
        "teacher": alpha * temperature**2 * divergence,
    }


def distillation_terms(
    logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor,
    portions: Sequence[Tensor],
    targets: Sequence[Tensor],
    *,
    alpha: float,
    temperature: float,
    beta: float,
) -> Terms:
    """Compute the loss of one exit.

    Parameters
    ----------
    logits, teacher_logits : Tensor, shape (N, classes)
    labels : Tensor of int64, shape (N,)
    portions, targets : sequence of Tensor, each of shape (N, filters of k)
        The students' portions, and the teacher's pooled activations of the same filters.
    alpha : float
        Weight of the teacher's answer against the label's.
    temperature : float
    beta : float
        Weight of the transfer term, which lies in [0, 2] before it.
    """
    answers = answer_terms(logits, labels, teacher_logits, alpha=alpha, temperature=temperature)
    return Terms(**answers, transfer=beta * transfer_distance(portions, targets))


def weighted_sum(of_exits: Sequence[Terms], weights: Sequence[float]) -> Terms:
    """Sum the terms of all exits, exit b with ``weights[b]``."""
    pairs = list(zip(of_exits, weights, strict=True))
    label, teacher, transfer = (
        torch.stack([terms[i] * weight for terms, weight in pairs]).sum() for i in range(3)
    )
    return Terms(label, teacher, transfer)
