"""Every example in a docstring does what it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import coinfer
import coinfer_datasets
import coinfer_kernels

MODULES = sorted(
    name
    for package in (coinfer, coinfer_kernels, coinfer_datasets)
    for _, name, _ in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not name.endswith(("__main__", "_native"))
)


@pytest.mark.parametrize("name", [*MODULES, "coinfer_kernels"])
def test_examples(name):
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def test_there_are_examples():
    tests = doctest.DocTestFinder().find(importlib.import_module("coinfer.cluster.expansion"))
    assert any(test.examples for test in tests)
