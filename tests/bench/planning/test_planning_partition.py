"""The activation graph and the rules that cut it."""

import itertools

import numpy as np
import pytest

from coinfer.errors import PlanError
from coinfer.planning import PARTITIONERS, activation_graph, ncut_value, partition, partition_ncut


def communities(sizes: list[int], seed: int, isolated: int = 0) -> np.ndarray:
    """A graph with strong edges inside consecutive blocks, weak ones between, isolated last."""
    rng = np.random.default_rng(seed)
    count = sum(sizes)
    block = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.where(block[:, None] == block[None, :], 1.0, 0.05) * rng.uniform(
        0.5, 1, (count,) * 2
    )
    weights = np.triu(weights, 1)
    graph = np.zeros((count + isolated,) * 2)
    graph[:count, :count] = weights + weights.T
    return graph


def ncut_by_definition(graph: np.ndarray, labels: tuple[int, ...], k: int) -> float:
    total = 0.0
    for c in range(k):
        inside = [i for i, label in enumerate(labels) if label == c]
        outside = [i for i, label in enumerate(labels) if label != c]
        cut = sum(graph[i, j] for i in inside for j in outside)
        total += cut / sum(graph[i, j] for i in inside for j in range(len(labels)))
    return total


def test_the_graph_by_hand() -> None:
    features = np.array([[2.0, 1.0, -3.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    graph = activation_graph(features, top=2)
    # Kept: 1 and 1/2; the weight is 1 · 1/2 · |1 − 1/2|. The image without activation adds nothing.
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 0.25
    np.testing.assert_allclose(graph, expected)


def test_the_graph_is_summed_over_chunks() -> None:
    features = np.random.default_rng(0).normal(size=(600, 7))
    parts = activation_graph(features[:300]) + activation_graph(features[300:])
    np.testing.assert_allclose(activation_graph(features), parts, rtol=1e-5)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_spectral_cut_against_brute_force(k: int, seed: int) -> None:
    graph = communities([3, 2, 3][:k] if k == 3 else [4, 4], seed)
    best = min(
        ncut_by_definition(graph, labels, k)
        for labels in itertools.product(range(k), repeat=len(graph))
        if len(set(labels)) == k
    )
    found = partition_ncut(graph, k, seed=0)
    assert found.ncut == pytest.approx(best, rel=1e-9)


def test_ncut_value_is_the_definition() -> None:
    graph = communities([3, 4], seed=5)
    labels = (0, 1, 0, 1, 1, 0, 1)
    partitions = [[i for i, label in enumerate(labels) if label == c] for c in range(2)]
    assert ncut_value(graph, partitions) == pytest.approx(ncut_by_definition(graph, labels, 2))


@pytest.mark.parametrize("rule", PARTITIONERS)
@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_every_rule_gives_k_disjoint_parts_of_all_connected_filters(rule: str, k: int) -> None:
    graph = communities([6, 5, 7], seed=1, isolated=2)
    found = PARTITIONERS[rule](graph, k, 3)
    assert len(found.partitions) == k
    assert all(found.partitions)
    assert sorted(f for p in found.partitions for f in p) == list(range(18))
    assert found.dropped == (18, 19)
    assert found == PARTITIONERS[rule](graph, k, 3)


def test_louvain_cuts_alike_whatever_was_asked_before() -> None:
    graph = communities([9, 4, 6, 8], seed=4)
    alone = {}
    for k in (1, 3, 4, 6, 11):
        partition._levels.cache_clear()
        alone[k] = PARTITIONERS["louvain"](graph, k, 2)
    partition._levels.cache_clear()
    for order in ((11, 1, 6, 3, 4), (4, 3, 6, 1, 11)):
        assert {k: PARTITIONERS["louvain"](graph, k, 2) for k in order} == alone


@pytest.mark.parametrize("rule", ["ncut", "louvain"])
def test_communities_are_found(rule: str) -> None:
    found = PARTITIONERS[rule](communities([6, 5, 7], seed=2), 3, 0)
    assert found.partitions == (tuple(range(6)), tuple(range(6, 11)), tuple(range(11, 18)))


def test_separate_components_are_cut_apart() -> None:
    graph = np.kron(np.eye(3), np.ones((4, 4)) - np.eye(4))
    found = partition_ncut(graph, 3, 0)
    assert found.ncut == 0
    assert {len(p) for p in found.partitions} == {4}


@pytest.mark.parametrize("rule", PARTITIONERS)
def test_too_many_partitions_name_the_filters(rule: str) -> None:
    with pytest.raises(PlanError, match="4 connected filters"):
        PARTITIONERS[rule](communities([2, 2], seed=0, isolated=3), 5, 0)
