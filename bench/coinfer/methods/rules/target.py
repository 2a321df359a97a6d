"""What thresholds are set for, as a suite says it."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from coinfer.errors import UsageError


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound on the chance that an early answer is wrong where the last one is right.

    Attributes
    ----------
    epsilon_points : float
        In points of all requests.
    delta : float
        Chance that the calibration split misleads; not for ``control = "crc"``.
    control : {"ltt", "crc"}
        Learn then Test, or conformal risk control.
    """

    epsilon_points: float = 0.5
    delta: float = 0.1
    control: Literal["ltt", "crc"] = "ltt"

    def __post_init__(self) -> None:
        if not 0 < self.epsilon_points < 100 or not 0 < self.delta < 1:
            raise UsageError(
                f"risk: epsilon_points = {self.epsilon_points:g}, delta = {self.delta:g}; "
                "use 0 < epsilon_points < 100 and 0 < delta < 1"
            )


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What thresholds are set for: one of these.

    Attributes
    ----------
    accuracy_loss_points : float, optional
        Fewest MACs that lose no more than this against the last exit. Nothing guards it on other
        images: they lose more in about half of all cases.
    risk : Risk, optional
        The most eager thresholds whose risk is bounded.
    mean_macs, mean_latency_ms : float, optional
        Least loss of accuracy that takes no more than this, as the plan predicts it.
    threshold : float, optional
        Taken as it is, for all exits.
    """

    accuracy_loss_points: float | None = None
    risk: Risk | None = None
    mean_macs: float | None = None
    mean_latency_ms: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise UsageError(
                f"target: {' and '.join(given) or 'nothing'} given; give one of "
                f"{', '.join(self.__struct_fields__)}"
            )
        value = getattr(self, given[0])
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"target: {given[0]} = {value} is no number to aim at")
