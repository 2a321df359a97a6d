"""Who there is, what they could run, and how long that takes [ours]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coinfer.models.specs import StudentSpec

PortionBytes = Callable[[int], int]
"""From the number of filters in a partition to the bytes of its message, header included."""


@dataclass(frozen=True)
class PlanDevice:
    """A device as the planner sees it.

    Attributes
    ----------
    name : str
    macs_per_s : float
        ``c_n``.
    uplink_bps : float
        ``r_n``, bits per second towards the source.
    memory_bytes : int
        ``m_n``.
    failure_probability : float
        ``p_n``, for one request.
    """

    name: str
    macs_per_s: float
    uplink_bps: float
    memory_bytes: int
    failure_probability: float = 0.0


@dataclass(frozen=True)
class StudentOption:
    """A student that the planner may pick.

    Attributes
    ----------
    spec : StudentSpec
    macs : int
        ``F_j``, for one row.
    memory_bytes : int
        ``M_j``: weights and peak activations.
    """

    spec: StudentSpec
    macs: int
    memory_bytes: int


def device_latency_s(device: PlanDevice, option: StudentOption, message_bytes: int) -> float:
    """Return ``t_n(j, k) = F_j / c_n + Q_k / r_n``, in seconds."""
    return option.macs / device.macs_per_s + 8 * message_bytes / device.uplink_bps


def outage(devices: Sequence[PlanDevice]) -> float:
    """Return the probability that all devices of a group fail: ``∏ p_n``."""
    return math.prod(device.failure_probability for device in devices)
