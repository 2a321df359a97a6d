"""Who there is, what they could run, and how long that takes [ours]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coinfer.errors import PlanError
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


def group_latency_s(
    devices: Sequence[PlanDevice], option: StudentOption, message_bytes: int
) -> float:
    """Return ``min_n t_n(j, k)`` over the devices of a group, in seconds."""
    return min(device_latency_s(device, option, message_bytes) for device in devices)


def outage(devices: Sequence[PlanDevice]) -> float:
    """Return the probability that all devices of a group fail: ``∏ p_n``."""
    return math.prod(device.failure_probability for device in devices)


def choose_student(
    options: Sequence[StudentOption],
    devices: Sequence[PlanDevice],
    message_bytes: int,
    deadline_s: float | None = None,
) -> StudentOption:
    """Pick the most capable student that fits every device of a group.

    Parameters
    ----------
    options : sequence of StudentOption
    devices : sequence of PlanDevice
    message_bytes : int
    deadline_s : float, optional
        Prefer students with which the group answers in this time; where none does, the fastest
        that fits is picked.

    Raises
    ------
    PlanError
        If no student fits the memory.
    """
    smallest = min(devices, key=lambda device: device.memory_bytes)
    fitting = [option for option in options if option.memory_bytes <= smallest.memory_bytes]
    if not fitting:
        least = min((option.memory_bytes for option in options), default=0)
        raise PlanError(
            f"memory: no student fits {smallest.name} with {smallest.memory_bytes} bytes (the "
            f"smallest needs {least}); offer a smaller student or leave the device out"
        )
    if deadline_s is not None:
        in_time = [o for o in fitting if group_latency_s(devices, o, message_bytes) <= deadline_s]
        fitting = in_time or [min(fitting, key=lambda option: (option.macs, option.memory_bytes))]
    return max(fitting, key=lambda option: (option.macs, option.memory_bytes))
