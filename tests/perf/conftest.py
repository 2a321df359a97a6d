"""Set a benchmark run up: helpers beside the tests, one CPU, one thread, what machine it is."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

# The tests are no package, and these helpers are of no use to any other test.
sys.path.insert(0, str(Path(__file__).parent))

_PEERS = (
    *("numpy", "torch", "numba", "scipy", "ml_dtypes", "google-crc32c", "msgpack", "msgspec"),
    *("safetensors", "pyarrow", "blosc2"),
)


@pytest.fixture(autouse=True)
def gradients_as_before():
    """Peers switch gradients off; tests that come later in the same process need them."""
    torch = sys.modules.get("torch")
    before = torch is None or torch.is_grad_enabled()
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_grad_enabled(before)


@pytest.fixture(scope="session")
def one_cpu():
    """Stay on one CPU, the last one that is allowed, and on one thread."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    yield max(allowed)
    os.sched_setaffinity(0, allowed)


def pytest_benchmark_update_machine_info(config, machine_info):
    """Say what was measured, and leave out what the host is called."""
    import coinfer_kernels

    info = coinfer_kernels.info()
    machine_info.pop("node", None)
    machine_info["threads"] = os.environ.get("OMP_NUM_THREADS")
    machine_info["kernels"] = {name: info[name] for name in ("backend", "isa", "versions")}
    machine_info["peers"] = {name: _version(name) for name in _PEERS}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
