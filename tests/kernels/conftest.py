"""Every back end and every instruction set of this machine, side by side, and every encoding."""

from __future__ import annotations

import numpy as np
import pytest

import coinfer_kernels
from coinfer_kernels import backend as backends
from coinfer_kernels.backend import Backend

ENCODINGS = coinfer_kernels.info()["encodings"]


def _variants() -> list[tuple[str, str | None]]:
    variants: list[tuple[str, str | None]] = []
    for name in backends.available():
        isas = backends.load(name).instruction_set().isa_available
        variants += [(name, isa) for isa in isas] or [(name, None)]
    return variants


@pytest.fixture(
    scope="session", params=_variants(), ids=lambda v: v[0] if v[1] is None else f"{v[0]}-{v[1]}"
)
def backend(request: pytest.FixtureRequest) -> Backend:
    return backends.load(*request.param)


@pytest.fixture(scope="session")
def reference() -> Backend:
    return backends.load("reference")


@pytest.fixture(params=ENCODINGS)
def encoding(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)
