"""Groups devices that are alike, so that a group can stand in for any of its members.

Follow-the-leader grouping with repair of the outage bound [ours].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from coinfer.errors import PlanError
from coinfer.planning.latency import PlanDevice, outage

Groups = tuple[tuple[int, ...], ...]
"""Indices of the devices of each group."""


def capabilities(devices: Sequence[PlanDevice]) -> npt.NDArray[np.float64]:
    """Return compute, memory and uplink, each divided by the largest; shape (devices, 3)."""
    raw = np.array([[d.macs_per_s, d.memory_bytes, d.uplink_bps] for d in devices], dtype=float)
    scaled: npt.NDArray[np.float64] = raw / raw.max(axis=0)
    return scaled


def group_devices(devices: Sequence[PlanDevice], d_th: float, p_th: float) -> Groups:
    """Group devices whose capabilities are within `d_th` of a leader's, and repair the outage.

    The most capable device leads first; each next one joins the nearest leader within `d_th`, or
    becomes a leader. While a group's outage is above `p_th`, the nearest device that another group
    can spare moves in; where none can be spared, the group merges with the nearest.

    Parameters
    ----------
    devices : sequence of PlanDevice
    d_th : float
        Euclidean distance in `capabilities`; 0 groups identical devices only.
    p_th : float
        Largest outage ``∏ p_n`` of a group.

    Raises
    ------
    PlanError
        If even all devices together do not reach `p_th`.
    """
    where = capabilities(devices)
    groups: list[list[int]] = []
    for n in np.argsort(-where.sum(axis=1), kind="stable").tolist():
        gaps = [float(np.linalg.norm(where[n] - where[group[0]])) for group in groups]
        if gaps and min(gaps) <= d_th:
            groups[int(np.argmin(gaps))].append(n)
        else:
            groups.append([n])
    return repair(devices, groups, p_th)


def repair(devices: Sequence[PlanDevice], groups: Sequence[Sequence[int]], p_th: float) -> Groups:
    """Move devices and merge groups until every group's outage is at most `p_th`.

    Raises
    ------
    PlanError
        If even all devices together do not reach it.
    """

    def risk(group: Sequence[int]) -> float:
        return outage([devices[n] for n in group])

    if risk(range(len(devices))) > p_th:
        raise PlanError(
            f"outage: all {len(devices)} devices together fail with probability "
            f"{risk(range(len(devices))):.3g}, above p_th = {p_th:.3g}; add devices or raise p_th"
        )
    where = capabilities(devices)
    current = [list(group) for group in groups]

    def centre(group: list[int]) -> npt.NDArray[np.float64]:
        middle: npt.NDArray[np.float64] = where[group].mean(axis=0)
        return middle

    while (worst := max(current, key=risk)) and risk(worst) > p_th:
        others = [group for group in current if group is not worst]
        spare = [
            (float(np.linalg.norm(where[n] - centre(worst))), n, group)
            for group in others
            for n in group
            # A device that never helps (p = 1) would move forever.
            if len(group) > 1
            and risk([m for m in group if m != n]) <= p_th
            and devices[n].failure_probability < 1
        ]
        if spare:
            _, n, giver = min(spare, key=lambda item: item[:2])
            giver.remove(n)
            worst.append(n)
        else:
            gaps = [float(np.linalg.norm(centre(group) - centre(worst))) for group in others]
            nearest = others[int(np.argmin(gaps))]
            nearest.extend(worst)
            current = others
    return tuple(tuple(sorted(group)) for group in current)


def candidate_groupings(devices: Sequence[PlanDevice], p_th: float) -> list[Groups]:
    """Return the distinct groupings over all values of `d_th` that make a difference.

    Raises
    ------
    PlanError
        If the outage bound cannot be met at all.
    """
    where = capabilities(devices)
    gaps = np.linalg.norm(where[:, None] - where[None, :], axis=2)
    found: dict[frozenset[tuple[int, ...]], Groups] = {}
    for d_th in np.unique(np.round(gaps, 12)):
        # Rounding must not leave a device just outside its own distance.
        groups = group_devices(devices, float(d_th) + 1e-9, p_th)
        found.setdefault(frozenset(groups), groups)
    return list(found.values())


def random_groups(
    devices: Sequence[PlanDevice], sizes: Sequence[int], p_th: float, seed: int
) -> Groups:
    """Put devices into groups of the given sizes at random and repair the outage (ablation).

    Raises
    ------
    PlanError
        If the outage bound cannot be met at all.
    """
    order = np.random.default_rng(seed).permutation(len(devices))
    cuts = np.cumsum(sizes)[:-1]
    return repair(devices, [part.tolist() for part in np.split(order, cuts)], p_th)
