"""The manifest: everything that is fixed about the data sets, as shipped with the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """Return the parsed manifest: name to entry."""
    text = files("coinfer_datasets").joinpath("manifest.json").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = json.loads(text)
    return entries
