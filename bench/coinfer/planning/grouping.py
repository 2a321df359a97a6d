"""Groups devices that are alike, so that a group can stand in for any of its members.

Follow-the-leader grouping with repair of the outage bound, and packings by reliability alone where
more groups are wanted than alike devices give [ours].
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from coinfer.errors import PlanError
from coinfer.planning.covering import cover
from coinfer.planning.latency import PlanDevice, outage

Groups = tuple[tuple[int, ...], ...]
"""Indices of the devices of each group."""

MOST_DISTANCES = 48
"""Values of `d_th` that are swept; a cluster of ten devices has no more [ours]."""

_MOST_COVERS = 16


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
    leaders: list[int] = []
    groups: list[list[int]] = []
    for n in np.argsort(-where.sum(axis=1), kind="stable").tolist():
        gaps = np.linalg.norm(where[leaders] - where[n], axis=1)
        if len(gaps) and gaps.min() <= d_th:
            groups[int(np.argmin(gaps))].append(n)
        else:
            leaders.append(n)
            groups.append([n])
    return repair(devices, groups, p_th)


def repair(devices: Sequence[PlanDevice], groups: Sequence[Sequence[int]], p_th: float) -> Groups:
    """Move devices and merge groups until every group's outage is at most `p_th`.

    Raises
    ------
    PlanError
        If even all devices together do not reach it.
    """
    check_outage(devices, p_th)
    where = capabilities(devices)
    current = [sorted(group) for group in groups]
    risks = [_risk(devices, group) for group in current]
    spare = [_spare(devices, group, p_th) for group in current]
    while risks[worst := int(np.argmax(risks))] > p_th:
        centre = where[current[worst]].mean(axis=0)
        free = [(n, g) for g, members in enumerate(spare) for n in members if g != worst]
        if free:
            gaps = np.linalg.norm(where[[n for n, _ in free]] - centre, axis=1)
            n, giver = free[int(np.argmin(gaps))]
            current[giver].remove(n)
            current[worst] = sorted((*current[worst], n))
            changed = [giver, worst]
        else:
            centres = np.array([where[group].mean(axis=0) for group in current])
            gaps = np.linalg.norm(centres - centre, axis=1)
            gaps[worst] = np.inf
            nearest = int(np.argmin(gaps))
            current[nearest] = sorted((*current[nearest], *current[worst]))
            for kept in (current, risks, spare):
                del kept[worst]
            changed = [nearest - (nearest > worst)]
        for g in changed:
            risks[g] = _risk(devices, current[g])
            spare[g] = _spare(devices, current[g], p_th)
    return tuple(tuple(group) for group in current)


def check_outage(devices: Sequence[PlanDevice], p_th: float) -> None:
    """Refuse devices that even together fail too often.

    Raises
    ------
    PlanError
        If ``∏ p_n`` of all of them is above `p_th`.
    """
    if (everyone := outage(devices)) > p_th:
        raise PlanError(
            f"outage: all {len(devices)} devices together fail with probability "
            f"{everyone:.3g}, above p_th = {p_th:.3g}; add devices or raise p_th"
        )


def candidate_groupings(
    devices: Sequence[PlanDevice], p_th: float, min_groups: int = 1
) -> list[Groups]:
    """Return the distinct groupings over the values of `d_th`, and packings into more groups.

    For numbers of groups from `min_groups` on that the sweep of `d_th` does not give, the devices
    are packed by reliability alone; it is how a wanted number of groups is reached where devices
    that are alike do not add up to it. Where the outage bound allows no `min_groups`, the largest
    number that it allows is packed.

    Raises
    ------
    PlanError
        If the outage bound cannot be met at all.
    """
    check_outage(devices, p_th)
    where = capabilities(devices)
    gaps = np.unique(np.round(np.linalg.norm(where[:, None] - where[None, :], axis=2), 12))
    if len(gaps) > MOST_DISTANCES:
        gaps = np.quantile(gaps, np.linspace(0, 1, MOST_DISTANCES))
    found: dict[frozenset[tuple[int, ...]], Groups] = {}
    for d_th in gaps:
        # Rounding must not leave a device just outside its own distance.
        groups = group_devices(devices, float(d_th) + 1e-9, p_th)
        found.setdefault(frozenset(groups), groups)
    for covered in _packings(devices, p_th, min_groups, {len(groups) for groups in found.values()}):
        found.setdefault(frozenset(covered), covered)
    return list(found.values())


def _packings(
    devices: Sequence[PlanDevice], p_th: float, min_groups: int, known: Collection[int]
) -> Iterator[Groups]:
    chances = [device.failure_probability for device in devices]
    most = len(devices)
    for count in [k for k in range(min_groups, most + 1) if k not in known][:_MOST_COVERS]:
        covered = cover(chances, count, p_th)
        if covered is None:
            most = count - 1  # More groups are harder to cover.
            break
        yield covered
    # Nothing to pack where the sweep has reached as many as there can be.
    for count in range(min(most, min_groups - 1), max(known), -1):
        covered = cover(chances, count, p_th)
        if covered is not None:
            yield covered
            return


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


def _risk(devices: Sequence[PlanDevice], group: Sequence[int]) -> float:
    return outage([devices[n] for n in group])


def _spare(devices: Sequence[PlanDevice], group: Sequence[int], p_th: float) -> list[int]:
    """Devices without which the group still keeps the bound, and which help elsewhere."""
    if len(group) < 2:
        return []
    chances = np.array([devices[n].failure_probability for n in group])
    others = np.where(np.eye(len(group), dtype=bool), 1.0, chances).prod(axis=1)
    # A device that never helps (p = 1) would move forever. Products in another order differ in the
    # last bits, so what is near is decided by the product that counts.
    return [
        n
        for n, chance, rest in zip(group, chances, others, strict=True)
        if chance < 1
        and rest <= p_th * (1 + 1e-9)
        and _risk(devices, [m for m in group if m != n]) <= p_th
    ]
