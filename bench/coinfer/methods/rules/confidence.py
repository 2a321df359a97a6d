"""Rules that read one exit's softmax: as sure as its largest probability, entropy, and so on."""

from __future__ import annotations

from typing import ClassVar, Self

from coinfer.contract import FloatArray, Kernels
from coinfer.methods.rules.base import ExitRule, ExitView
from coinfer.training import SplitOutputs, fit_temperature


class Confidence(ExitRule):
    """A score of the softmax of an exit's logits, divided by the exit's temperature.

    Parameters
    ----------
    temperatures : tuple of float
        One an exit; empty means 1 everywhere.
    """

    reads_logits = True
    field: ClassVar[str]

    def __init__(self, temperatures: tuple[float, ...] = ()) -> None:
        self._temperatures = temperatures

    @classmethod
    def learn(cls, outputs: SplitOutputs, temperature_scaling: bool = True) -> Self:
        """Fit the temperature of every exit."""
        if not temperature_scaling:
            return cls()
        return cls(tuple(fit_temperature(logits, outputs.labels) for logits in outputs.logits))

    def temperature(self, exit: int) -> float:  # noqa: A002
        """Fitted on the validation split."""
        return self._temperatures[exit - 1] if self._temperatures else 1.0

    def scores(self, view: ExitView, kernels: Kernels) -> FloatArray:
        """The score of the rule, of which all have been computed in one pass."""
        assert view.confidence is not None
        score: FloatArray = getattr(view.confidence, self.field)
        return score


class MaxProbability(Confidence):
    """Largest probability (MSDNet: Huang et al., ICLR 2018, arXiv 1703.09844)."""

    name = "max-probability"
    high = True
    field = "max_prob"


class Entropy(Confidence):
    """Entropy in nats (BranchyNet: Teerapittayanon et al., ICPR 2016, arXiv 1709.01686)."""

    name = "entropy"
    field = "entropy"


class Margin(Confidence):
    """Largest minus second largest probability (Park et al., CODES+ISSS 2015)."""

    name = "margin"
    high = True
    field = "margin"


class Energy(Confidence):
    """``−T·logsumexp(z/T)`` (Liu et al., NeurIPS 2020, arXiv 2010.03759)."""

    name = "energy"
    field = "energy"
