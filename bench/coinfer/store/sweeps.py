"""A sweep of remembered outputs as a folder: what was found as JSON, the fronts as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec

from coinfer.store.atomic import write_folder
from coinfer.store.schema import to_json

SWEEP_SCHEMA: Final = 2


class StoredSweep(msgspec.Struct, frozen=True):
    """What a sweep found; none of it was run.

    Attributes
    ----------
    schema : int
    coinfer : str
        Version of the suite.
    suite, suite_sha256 : str
        Name of the suite, and digest of what it said after all options.
    started : str
        UTC, ISO 8601.
    fingerprint : str
        Of the machine.
    seconds : float
        What it took, the outputs of the networks included where they were not remembered.
    sources : list of dict
        Digests of the weights and of the outputs on each split, network by network.
    choices, promises, exits, rivals : list of dict
        See `coinfer.execute.sweep.Swept`.
    """

    schema: int
    coinfer: str
    suite: str
    suite_sha256: str
    started: str
    fingerprint: str
    seconds: float
    sources: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    promises: list[dict[str, Any]]
    exits: list[dict[str, Any]]
    rivals: list[dict[str, Any]]


def write_sweep(folder: Path, found: StoredSweep, fronts: Sequence[dict[str, Any]]) -> None:
    """Write a sweep; an older one of the same folder is replaced."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = BytesIO()
    pq.write_table(pa.Table.from_pylist(list(fronts)), sink, compression="zstd")
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_folder(folder, {"sweep.json": to_json(found), "fronts.parquet": sink.getvalue()})
