"""Splits, normalisation and the shipped subset."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import coinfer_datasets
from coinfer.errors import DatasetError
from coinfer_datasets import stratified

FASHION_IS_HERE = Path("/usr/share/datasets/fashion-mnist").is_dir()


@pytest.fixture(scope="module")
def digits() -> coinfer_datasets.Dataset:
    return coinfer_datasets.load("digits")


def test_digits_splits_are_disjoint_complete_and_stratified(
    digits: coinfer_datasets.Dataset,
) -> None:
    sizes = {name: len(split) for name, split in digits.splits.items()}
    assert sizes == dict(digits.info.sizes)
    assert sum(sizes.values()) == 1797
    for split in digits.splits.values():
        assert split.images.dtype == np.uint8
        assert split.images.shape[1:] == (1, 8, 8)
        assert split.labels.dtype == np.int64
        shares = np.bincount(split.labels, minlength=10) / len(split)
        assert np.all(np.abs(shares - 0.1) < 0.012)


def test_the_training_split_is_standardised(digits: coinfer_datasets.Dataset) -> None:
    images = digits.normalise(digits.train.images)
    assert images.dtype == np.float32
    assert abs(float(images.mean())) < 1e-4
    assert abs(float(images.std()) - 1) < 1e-4


def test_the_subset_ships_with_the_package_and_shares_the_normalisation() -> None:
    subset = coinfer_datasets.load("fashion-mnist/test-2000")
    assert subset.test.images.shape == (2000, 1, 28, 28)
    assert np.bincount(subset.test.labels).tolist() == [200] * 10
    base = coinfer_datasets.info("fashion-mnist")
    assert subset.info.identity == base.identity
    assert (subset.info.mean, subset.info.std) == (base.mean, base.std)
    with pytest.raises(DatasetError, match=r"no 'train' split.*'fashion-mnist' has all"):
        _ = subset.train


def test_the_digest_depends_on_name_and_content(digits: coinfer_datasets.Dataset) -> None:
    test = digits.test
    assert digits.sha256 == test.sha256("digits")
    assert test.sha256("other") != digits.sha256
    flipped = dataclasses.replace(test, labels=test.labels[::-1])
    assert flipped.sha256("digits") != digits.sha256


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DatasetError, match="digits, fashion-mnist"):
        coinfer_datasets.load("mnist")


def test_available_lists_every_set() -> None:
    rows = {row["name"]: row for row in coinfer_datasets.available()}
    assert {"digits", "fashion-mnist", "fashion-mnist/test-2000", "cifar-10"} < set(rows)
    assert rows["digits"]["found"]
    assert rows["fashion-mnist/test-2000"]["sizes"] == {"test": 2000}


def test_keyed_picks_do_not_move() -> None:
    assert stratified.keyed_order(6, "a key").tolist() == [3, 1, 5, 4, 0, 2]


@pytest.mark.skipif(not FASHION_IS_HERE, reason="dataset-fashion-mnist is not installed")
def test_the_subset_is_part_of_the_full_test_split() -> None:
    full = coinfer_datasets.load("fashion-mnist")
    assert {n: len(s) for n, s in full.splits.items()} == dict(full.info.sizes)
    subset = coinfer_datasets.load("fashion-mnist/test-2000")
    chosen = stratified.pick(full.test.labels, 200, "coinfer-test-2000-1")
    np.testing.assert_array_equal(full.test.images[chosen], subset.test.images)
    np.testing.assert_array_equal(full.test.labels[chosen], subset.test.labels)
