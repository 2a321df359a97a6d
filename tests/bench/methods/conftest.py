"""Cells of the smoke suite, whose models come with the package."""

from __future__ import annotations

import pytest

from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite
from coinfer_kernels import backend


@pytest.fixture(scope="session")
def smoke_cell():
    """A function: one cell of the smoke suite, by axis values."""
    suite = load_suite("smoke")

    def find(method: str, **axes):
        overrides = {name: [value] for name, value in ({"method": method} | axes).items()}
        (cell, *_) = expand(suite, parameter_types(), overrides)
        return cell

    return find


class Context:
    """What a fusion rule may ask for, with devices that a test loses by name."""

    def __init__(self):
        self.now_ns = 0
        self.kernels = backend.load("reference")
        self.lost = set()

    def alive(self, device):
        return device not in self.lost


@pytest.fixture
def ctx():
    return Context()
