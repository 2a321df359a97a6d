"""Where the files of a data set may lie; nothing is ever downloaded."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "COINFER_DATA_DIR"


def given_place(data_dir: str | None) -> Path | None:
    """Return the place that the user names, by argument or else by environment variable."""
    named = data_dir or os.environ.get(DATA_VARIABLE)
    return None if named is None else Path(named).expanduser()


def cache_folder(name: str) -> Path:
    """Return the folder in the user's cache where the files of a data set are also looked for."""
    from platformdirs import user_cache_path

    return user_cache_path("coinfer") / name
