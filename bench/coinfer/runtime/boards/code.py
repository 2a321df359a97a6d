"""Which code runs: two machines can take part in one run only where it is the same."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

PARTS: Final = (
    *("coinfer/errors.py", "coinfer/contract", "coinfer/cluster", "coinfer/models"),
    *("coinfer/runtime", "coinfer_kernels"),
)
"""What a device runs. The compiled extension differs from machine to machine, and is left out."""


@cache
def code_sha256() -> str:
    """Digest of every source file that a device runs."""
    digest = sha256()
    for part in PARTS:
        package, _, inner = part.partition("/")
        with resources.as_file(resources.files(package)) as folder:
            root = folder / inner
            for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
                digest.update(f"{package}/{path.relative_to(folder).as_posix()}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
