"""Weights that came from elsewhere, on a shelf of files, and the builders that may use them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import safetensors.torch

from coinfer.contract import ModuleRef
from coinfer.errors import ArtifactError, UsageError
from coinfer.models.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

OURS: Final = "coinfer.models"
"""Builders of this package are always allowed."""


@dataclass(frozen=True)
class Shelf:
    """Builds modules from files named by the digest of their content.

    Parameters
    ----------
    folder : Path
    packages : tuple of str
        Whose builders may be called beside this project's own: a builder is a function that
        another machine names, so that not any one will do.
    """

    folder: Path
    packages: tuple[str, ...] = ()

    def check(self, refs: Iterable[ModuleRef]) -> None:
        """Refuse builders of packages that are not allowed.

        Raises
        ------
        UsageError
        """
        for ref in refs:
            module = ref.builder.partition(":")[0]
            if not any(f"{module}.".startswith(f"{name}.") for name in (OURS, *self.packages)):
                raise UsageError(
                    f"builder {ref.builder!r} is not allowed on this device; start it with "
                    f"--builders {module.partition('.')[0]} if you trust that package"
                )

    def has(self, sha256: str) -> bool:
        """Whether a file of weights is there."""
        return self._path(sha256).is_file()

    def put(self, sha256: str, content: bytes) -> None:
        """Keep a file of weights.

        Raises
        ------
        ArtifactError
            If the content has another digest.
        """
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ArtifactError(
                f"weights {sha256} arrived with the digest {found}; send them again"
            )
        aside = self._path(sha256).with_suffix(".part")
        aside.write_bytes(content)
        aside.replace(self._path(sha256))

    def __call__(self, ref: ModuleRef) -> nn.Module:
        """Build a module with its weights, ready for inference.

        Raises
        ------
        UsageError
            If its builder is not allowed.
        ArtifactError
            If the weights are missing or do not fit.
        """
        self.check([ref])
        sha256 = ref.weights_sha256
        return build(ref, None if sha256 is None else _tensors(self._path(sha256)))

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.safetensors"


@lru_cache(maxsize=8)
def _tensors(path: Path) -> Mapping[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ArtifactError(f"{path}: no weights that can be read ({error})") from None
