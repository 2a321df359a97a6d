"""What a cell's result depends on, as one digest: it decides what is already done."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import Deployment
from coinfer.execute.prepare import prepare
from coinfer.execute.profiles import dataset
from coinfer.methods import method
from coinfer.suite import Cell

PACKAGES: Final = ("coinfer", "coinfer_kernels", "coinfer_datasets")

AFTERWARDS: Final = ("cli", "report", "stats", "store")
"""Rooms that only read results: a change there repeats no cell."""


def inputs_hash(cell: Cell) -> str:
    """Digest of all that a cell's result depends on.

    The cell itself (every parameter, cluster, fault, workload), the code, the weights, the test
    images and the cost table.
    """
    prepared = prepare(cell)
    weights = sorted({s.module.weights_sha256 or "" for s in prepared.deployment.stages})
    parts = [
        msgspec.json.encode(cell, order="sorted"),
        code_sha256().encode(),
        *_outside_code(cell, prepared.deployment),
        *(sha.encode() for sha in weights),
        dataset(cell.dataset).sha256.encode(),
        load_cost_table().sha256().encode(),
    ]
    return sha256(b"\0".join(parts)).hexdigest()


@cache
def code_sha256() -> str:
    """Digest of every source file and extension that a result can depend on."""
    digest = sha256()
    for package in PACKAGES:
        root = resources.files(package)
        with resources.as_file(root) as folder:
            for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.so")]):
                if path.relative_to(folder).parts[0] in AFTERWARDS:
                    continue
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _outside_code(cell: Cell, deployment: Deployment) -> list[bytes]:
    """Digest of each source file outside our packages that the method or a module comes from."""
    digests = (source_sha256(name) for name in sorted(modules_of(cell, deployment)))
    return [bytes.fromhex(digest) for digest in digests if digest is not None]


def modules_of(cell: Cell, deployment: Deployment) -> set[str]:
    """Python modules that the method of a cell, or what it deploys, comes from."""
    builders = {stage.module.builder.partition(":")[0] for stage in deployment.stages}
    return {method(cell.method.base).__module__, *builders}


def source_sha256(name: str) -> str | None:
    """Digest of the source file of a module outside our packages; None of what is no such thing."""
    package = name.partition(".")[0]
    # Of a library, such as torch, the release counts, and that is part of the fingerprint.
    if package in PACKAGES or package in sys.stdlib_module_names:
        return None
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return sha256(Path(spec.origin).read_bytes()).hexdigest()
