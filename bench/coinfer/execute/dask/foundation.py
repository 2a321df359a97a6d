"""What results rest on beside weights, told by digests: so two machines know if they are agreed."""

from __future__ import annotations

from collections.abc import Iterable

from coinfer.cluster.cost_table import load_cost_table
from coinfer.errors import DatasetError
from coinfer.execute.inputs import code_sha256, modules_of, source_sha256
from coinfer.execute.prepare import prepare
from coinfer.execute.profiles import dataset
from coinfer.methods import method
from coinfer.suite import Cell

_CODE = "code"
_COSTS = "cost table"
_DATA = "data set "
_MODULE = "module "


def foundation(cells: Iterable[Cell], *, prepared: bool) -> dict[str, str]:
    """Everything that cells rest on, each with its digest on this machine.

    Parameters
    ----------
    cells : iterable of Cell
    prepared : bool
        Whether the zoo has their models, so that it is known what they are built from.
    """
    labels = {_CODE, _COSTS}
    for cell in cells:
        modules = {method(cell.method.base).__module__}
        if prepared:
            modules = modules_of(cell, prepare(cell).deployment)
        labels |= {f"{_MODULE}{name}" for name in modules} | {f"{_DATA}{cell.dataset}"}
    digests = {label: digest_of(label) for label in sorted(labels)}
    return {label: digest for label, digest in digests.items() if digest is not None}


def digest_of(label: str) -> str | None:
    """Digest of something that results rest on; None where it is not to be had on this machine."""
    if label == _CODE:
        return code_sha256()
    if label == _COSTS:
        return load_cost_table().sha256()
    if label.startswith(_DATA):
        try:
            return dataset(label.removeprefix(_DATA)).sha256
        except DatasetError:
            return None
    try:
        return source_sha256(label.removeprefix(_MODULE))
    except ModuleNotFoundError:
        return None
