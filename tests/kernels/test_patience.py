"""count_agreement against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LARGEST = np.iinfo(np.int32).max


def by_hand(previous, current, counts, patience, mask):
    """One row at a time; gives counts and decisions."""
    counts, exits = list(counts), []
    for row in range(len(counts)):
        if mask is not None and not mask[row]:
            exits.append(False)
            continue
        if previous[row] == current[row] and current[row] != -1:
            counts[row] = min(counts[row] + 1, LARGEST)
        else:
            counts[row] = 0
        exits.append(counts[row] >= patience)
    return counts, exits


ROW = st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.sampled_from([0, 1, 2, 3, LARGEST]),
                st.booleans())  # fmt: skip


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(ROW, max_size=70), patience=st.integers(1, 4), masked=st.booleans())
def test_any_rows(backend, rows, patience, masked):
    table = np.array(rows, np.int64).reshape(-1, 4)
    previous, current = table[:, 0].copy(), table[:, 1].copy()
    counts, mask = table[:, 2].astype(np.int32), table[:, 3].astype(bool) if masked else None
    expected = by_hand(previous.tolist(), current.tolist(), counts.tolist(), patience, mask)
    out = np.ones(len(rows), bool)
    exits = backend.count_agreement(previous, current, counts, patience, out, mask)
    assert exits is out
    assert (counts.tolist(), exits.tolist()) == expected


def test_many_rows(backend, rng):
    previous, current = rng.integers(-1, 3, (2, 40000))
    counts = rng.integers(0, 4, 40000).astype(np.int32)
    mask = rng.random(40000) < 0.6
    expected = by_hand(previous, current, counts.tolist(), 2, mask)
    exits = backend.count_agreement(previous, current, counts, 2, None, mask)
    assert exits.dtype == np.bool_
    assert (counts.tolist(), exits.tolist()) == expected


def test_a_sequence_of_exits(backend):
    """Three samples through five exits, with patience 2, as PABEE does it."""
    labels = np.array([[4, 4, 4, 4, 4], [1, 2, 2, 1, 1], [5, -1, -1, 5, 5]])
    counts, there, left = np.zeros(3, np.int32), np.ones(3, bool), {}
    for exit_ in range(1, 5):
        previous, current = (labels[:, i].copy() for i in (exit_ - 1, exit_))
        leaving = backend.count_agreement(previous, current, counts, 2, None, there)
        left.update(dict.fromkeys(np.flatnonzero(leaving).tolist(), exit_))
        there &= ~leaving
    assert left == {0: 2}
    assert counts.tolist() == [2, 1, 1]


def test_patience_beyond_every_count(backend):
    counts = np.full(2, LARGEST, np.int32)
    labels = np.zeros(2, np.int64)
    assert not backend.count_agreement(labels, labels, counts, LARGEST + 1).any()
    assert backend.count_agreement(labels, labels, counts, LARGEST).all()
    assert counts.tolist() == [LARGEST, LARGEST]


def test_labels_of_scores_and_of_torch(backend):
    torch = pytest.importorskip("torch")
    logits = np.eye(3, dtype=np.float32)
    label = backend.exit_scores(logits).label
    counts = np.zeros(3, np.int32)
    assert backend.count_agreement(torch.arange(3), label, counts, 1).all()


def test_count_agreement_refuses(backend):
    labels, counts = np.zeros(3, np.int64), np.zeros(3, np.int32)
    count = backend.count_agreement
    for wrong in (labels.astype(np.int32), labels.astype(float)):
        with pytest.raises(TypeError, match="previous must be an array of int64"):
            count(wrong, labels, counts, 1)
        with pytest.raises(TypeError, match="current must be an array of int64"):
            count(labels, wrong, counts, 1)
    with pytest.raises(ValueError, match=r"previous must have the shape \(rows,\)"):
        count(labels[None], labels[None], counts, 1)
    with pytest.raises(ValueError, match=r"previous \(3,\) and current \(2,\)"):
        count(labels, labels[:2], counts, 1)
    with pytest.raises(ValueError, match="current must be C-contiguous"):
        count(labels, np.zeros(6, np.int64)[::2], counts, 1)
    for wrong in (labels, counts.tolist(), counts.astype(np.uint32)):
        with pytest.raises(TypeError, match="counts must be an array of int32"):
            count(labels, labels, wrong, 1)
    with pytest.raises(ValueError, match=r"counts must have the shape \(3,\)"):
        count(labels, labels, counts[:2], 1)
    frozen = counts.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="counts must be C-contiguous, aligned and writable"):
        count(labels, labels, frozen, 1)
    for patience in (0, -1, -(10**30)):
        with pytest.raises(ValueError, match="patience must be at least 1"):
            count(labels, labels, counts, patience)
    with pytest.raises(TypeError):
        count(labels, labels, counts, 1.5)
    with pytest.raises(TypeError, match="out must be an array of bool"):
        count(labels, labels, counts, 1, counts)
    assert not counts.any()
