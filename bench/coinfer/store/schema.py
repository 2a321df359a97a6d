"""What is stored of a run and of a cell, with the version of that form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from coinfer.errors import ResultError
from coinfer.store.upgrade import OLDEST, RESULT_SCHEMA, upgraded
from coinfer.suite import Cell, Suite

T = TypeVar("T", bound=msgspec.Struct)

__all__ = ["RESULT_SCHEMA", "RunInfo", "StoredCell", "from_json", "to_json"]


class RunInfo(msgspec.Struct, frozen=True):
    """What is known of a run before its first cell is done.

    Attributes
    ----------
    schema : int
    coinfer : str
        Version of the suite.
    started : str
        UTC, ISO 8601.
    suite : Suite
        Resolved: every axis explicit, every preset written out.
    suite_sha256 : str
    fingerprint : str
        Of the machine; see `Environment.fingerprint`.
    cells : tuple of str
        Keys of all cells that belong to the run, done or not, in the order of execution.
    """

    schema: int
    coinfer: str
    started: str
    suite: Suite
    suite_sha256: str
    fingerprint: str
    cells: tuple[str, ...]


class StoredCell(msgspec.Struct, frozen=True):
    """One cell's result; free of wall times, so that virtual cells repeat to the byte.

    Attributes
    ----------
    schema : int
    cell : Cell
        Everything the cell was told.
    inputs_hash : str
        Of the cell, the code version, weights, data and cost table: decides what is already done.
    status : {"done", "failed"}
    error : str or None
    figures : dict
        Empty where the cell failed.
    notes : dict
        What the method and the runtime had to say: plan, faults as they landed, thresholds.
    records_sha256 : str or None
        Digest of ``records.parquet``.
    timeline_sha256 : str or None
        Digest of ``timeline.parquet``; None where no timeline was asked for.
    again : dict
        Figures of the same cell when it was run once more (``--aa``), or its ``error``: how far
        two of them differ is what a difference has to exceed. Empty where it was not.
    """

    schema: int
    cell: Cell
    inputs_hash: str
    status: Literal["done", "failed"]
    error: str | None = None
    figures: dict[str, Any] = {}
    notes: dict[str, Any] = {}
    records_sha256: str | None = None
    timeline_sha256: str | None = None
    again: dict[str, Any] = {}


class _Versioned(msgspec.Struct):
    schema: int


def to_json(value: object) -> bytes:
    """Readable JSON whose bytes depend on `value` alone."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


def from_json(path: Path, kind: type[T]) -> T:
    """Read a stored value; one of an older schema is upgraded.

    Raises
    ------
    ResultError
        If the file is missing, damaged, or written by a newer version.
    """
    try:
        text = path.read_bytes()
        schema = msgspec.json.decode(text, type=_Versioned).schema
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ResultError(f"{path}: corrupt: {error}") from None
    if schema > RESULT_SCHEMA:
        raise ResultError(
            f"{path}: result schema {schema} is newer than this coinfer reads "
            f"({RESULT_SCHEMA}); upgrade coinfer"
        )
    if schema < OLDEST:
        raise ResultError(f"{path}: corrupt: there is no result schema {schema}")
    try:
        if schema == RESULT_SCHEMA:
            return msgspec.json.decode(text, type=kind)
        return msgspec.convert(upgraded(msgspec.json.decode(text)), kind)
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"{path}: corrupt: {error}") from None
