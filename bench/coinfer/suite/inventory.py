"""Inventories: files that describe real boards, as clusters are described."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from coinfer.cluster import Cluster
from coinfer.errors import ClusterError, SuiteError
from coinfer.suite.schema import Suite, Value
from coinfer.suite.typed import typed


def load_inventory(path: Path) -> Cluster:
    """Cluster of an inventory file.

    Raises
    ------
    SuiteError
        If the file cannot be read, is malformed, or says nothing of boards.
    """
    cluster = typed(inventory_table(path, str(path)), Cluster, str(path))
    try:
        return cluster.read(lambda trace: (path.parent / trace).read_text("utf-8-sig"))
    except (ClusterError, OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: {error}") from None


def inventory_table(path: Traversable, origin: str) -> dict[str, Any]:
    """Table of a cluster, as an inventory file has it.

    Raises
    ------
    SuiteError
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SuiteError(f"{origin}: cannot be read: {why}") from None
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{origin}: not valid TOML: {error}") from None
    if "boards" not in table:
        raise SuiteError(
            f"{origin}: $.boards: missing; an inventory says where its boards dial in, such as "
            'boards = { bind = "tcp://192.168.1.10:5755" }'
        )
    return table


def with_inventories(raw: dict[str, Any], origin: str, folder: Traversable) -> dict[str, Any]:
    """A suite file with the tables of the inventories that it names in place of their paths.

    Raises
    ------
    SuiteError
    """
    clusters = raw.get("cluster")
    if not isinstance(clusters, dict):
        return raw
    found = {}
    for name, table in clusters.items():
        if isinstance(table, dict) and "inventory" in table:
            place = f"{origin}: $.cluster.{name}"
            if len(table) > 1 or not isinstance(table["inventory"], str):
                raise SuiteError(
                    f"{place}: a cluster with an inventory says nothing else, and names one file; "
                    "write the rest there"
                )
            path = table["inventory"]
            table = inventory_table(folder.joinpath(path), f"{place}.inventory: {path}")
        found[name] = table
    return {**raw, "cluster": found}


def on_inventory(
    suite: Suite, path: Path, chosen: Mapping[str, tuple[Value, ...]]
) -> tuple[Suite, dict[str, tuple[Value, ...]]]:
    """Have a suite run on the boards of an inventory, which is named as its file is.

    Parameters
    ----------
    suite : Suite
    path : Path
    chosen : mapping of str to tuple
        Axes that options replace.

    Returns
    -------
    suite, chosen
        With one more cluster, which is the only one.
    """
    clusters = {**suite.cluster, path.stem: load_inventory(path)}
    changed = msgspec.structs.replace(suite, cluster=clusters)
    return changed, {**chosen, "cluster": (path.stem,)}
