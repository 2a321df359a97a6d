"""Cuts the teacher's last filters into disjoint partitions, one for each student."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coinfer.errors import PlanError
from coinfer.models.specs import Partition

Graph = npt.NDArray[np.floating]
Parts = tuple[Partition, ...]


@dataclass(frozen=True)
class Partitioned:
    """Disjoint partitions of the filters.

    Attributes
    ----------
    partitions : tuple of Partition
        Filters ascending in each; ordered by their first filter.
    dropped : Partition
        Isolated filters, which fire in no image and belong to no partition.
    ncut : float
        Normalised cut of the partitions.
    """

    partitions: tuple[Partition, ...]
    dropped: Partition
    ncut: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """Filters of each partition."""
        return tuple(map(len, self.partitions))


Partitioner = Callable[[Graph, int, int], Partitioned]
"""From the activation graph, the number of partitions and a seed to the partitions."""


def ncut_value(graph: Graph, partitions: Sequence[Sequence[int]]) -> float:
    """Compute the normalised cut, ``Σ_k cut(P_k, rest) / volume(P_k)`` [related].

    Parameters
    ----------
    graph : ndarray, shape (F, F)
        Symmetric and not negative.
    partitions : sequence of sequences of int
        Edges to filters that are in none of them are left out.
    """
    used = np.concatenate([np.asarray(p, dtype=np.intp) for p in partitions])
    inside = graph.astype(np.float64)[:, used]
    total = 0.0
    for partition in partitions:
        rows = np.asarray(partition, dtype=np.intp)
        volume = float(inside[rows].sum())
        within = float(graph.astype(np.float64)[np.ix_(rows, rows)].sum())
        total += (volume - within) / volume if volume > 0 else 0.0
    return total


def partition_ncut(graph: Graph, k: int, seed: int) -> Partitioned:
    """Cut by spectral clustering on the graph itself, which approximates the least Ncut [ours].

    Raises
    ------
    PlanError
        If fewer than `k` filters are connected.
    """
    return _finished(graph, _spectral(graph, _connected(graph, k), k, seed))


def partition_louvain(graph: Graph, k: int, seed: int) -> Partitioned:
    """Cut into Louvain communities, then merge or split them until there are `k` [related: NoNN].

    The two communities with the largest weight between them relative to their volumes are merged;
    the largest is split by its own normalised cut [ours].

    Raises
    ------
    PlanError
        If fewer than `k` filters are connected.
    """
    connected = _connected(graph, k)
    among = np.ascontiguousarray(graph[np.ix_(connected, connected)], dtype=np.float64)
    levels = _levels(among.tobytes(), len(connected), seed)
    while k < min(levels):
        levels[min(levels) - 1] = _merged(among, levels[min(levels)])
    count = max(level for level in levels if level <= k)
    while count < k:
        levels[count + 1] = _split(among, levels[count], seed)
        count += 1
    return _finished(graph, [[connected[member] for member in part] for part in levels[k]])


def partition_uniform(graph: Graph, k: int, seed: int) -> Partitioned:
    """Cut the connected filters at random into parts of equal size: what an ablation compares.

    Raises
    ------
    PlanError
        If fewer than `k` filters are connected.
    """
    shuffled = np.random.default_rng(seed).permutation(_connected(graph, k))
    return _finished(graph, [part.tolist() for part in np.array_split(shuffled, k)])


PARTITIONERS: dict[str, Partitioner] = {
    "ncut": partition_ncut,
    "louvain": partition_louvain,
    "uniform": partition_uniform,
}
"""The partition rules by name."""


def _connected(graph: Graph, k: int) -> list[int]:
    degrees = graph.sum(axis=1) - np.diagonal(graph)
    connected: list[int] = np.flatnonzero(degrees > 0).tolist()
    if not 1 <= k <= len(connected):
        raise PlanError(
            f"cannot cut {len(connected)} connected filters (of {len(graph)}) into {k} partitions; "
            "use fewer devices or groups, or a teacher with more filters"
        )
    return connected


# A planner asks one graph for many numbers of partitions, of which each is a step from the next.
@functools.lru_cache(maxsize=4)
def _levels(weights: bytes, nodes: int, seed: int) -> dict[int, Parts]:
    """Partitions by their number: at first the Louvain communities, to which callers add.

    The graph is given as the float64 of its adjacency matrix.
    """
    import networkx as nx

    upper = np.triu(np.frombuffer(weights).reshape(nodes, nodes), 1)
    found = nx.community.louvain_communities(nx.from_numpy_array(upper), weight="weight", seed=seed)
    parts = tuple(sorted(tuple(sorted(community)) for community in found))
    return {len(parts): parts}


def _merged(graph: Graph, parts: Parts) -> Parts:
    a, b = max(
        ((a, b) for a in range(len(parts)) for b in range(a)),
        key=lambda pair: _closeness(graph, parts[pair[0]], parts[pair[1]]),
    )
    together = tuple(sorted(parts[a] + parts[b]))
    return tuple(together if c == b else part for c, part in enumerate(parts) if c != a)


def _split(graph: Graph, parts: Parts, seed: int) -> Parts:
    largest = max(range(len(parts)), key=lambda c: len(parts[c]))
    halves = _spectral(graph, list(parts[largest]), 2, seed)
    return (*parts[:largest], *parts[largest + 1 :], *map(tuple, halves))


def _spectral(graph: Graph, members: list[int], k: int, seed: int) -> list[list[int]]:
    """Cut `members` into exactly `k` parts."""
    if k == 1:
        return [members]
    if len(members) <= k:
        return [[member] for member in members]
    from sklearn.cluster import SpectralClustering

    affinity = graph[np.ix_(members, members)].astype(np.float64)
    # A tiny weight everywhere joins components, between which cuts are free anyway.
    affinity += 1e-9 * affinity.max() + 1e-300
    clustering = SpectralClustering(k, affinity="precomputed", random_state=seed)
    with warnings.catch_warnings():
        # Small dense graphs can defeat ARPACK; scikit-learn then takes LOBPCG, which does as well.
        warnings.filterwarnings("ignore", "ARPACK has failed", RuntimeWarning)
        labels = clustering.fit_predict(affinity)
    parts = [[m for m, label in zip(members, labels, strict=True) if label == c] for c in range(k)]
    parts = [part for part in parts if part]
    while len(parts) < k:
        largest = max(parts, key=len)
        parts.remove(largest)
        parts += [largest[: len(largest) // 2], largest[len(largest) // 2 :]]
    return parts


def _closeness(graph: Graph, a: Sequence[int], b: Sequence[int]) -> float:
    between = float(graph[np.ix_(a, b)].sum())
    smaller = min(float(graph[list(a)].sum()), float(graph[list(b)].sum()))
    return between / smaller if smaller > 0 else 0.0


def _finished(graph: Graph, parts: Sequence[Sequence[int]]) -> Partitioned:
    partitions = tuple(sorted(tuple(sorted(int(f) for f in part)) for part in parts))
    used = {f for partition in partitions for f in partition}
    dropped = tuple(f for f in range(len(graph)) if f not in used)
    return Partitioned(partitions, dropped, ncut_value(graph, partitions))
