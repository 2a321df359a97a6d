"""One artifact of the zoo: two files, of which the description says what the other has to be."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
from torch import Tensor

from coinfer.errors import ArtifactError
from coinfer.models import canonical_sha256

SCHEMA = 1


@dataclass(frozen=True)
class Artifact:
    """One entry of the zoo.

    Attributes
    ----------
    address : str
        Hex sha256 of the canonical JSON of `inputs`.
    inputs : Mapping[str, Any]
        What decides the content; ``what`` names the kind.
    record : Mapping[str, Any]
        Figures and provenance.
    weights_sha256 : str
        Hex sha256 of the safetensors file.
    path : Path
        The safetensors file.
    """

    address: str
    inputs: Mapping[str, Any]
    record: Mapping[str, Any]
    weights_sha256: str
    path: Path

    def tensors(self) -> dict[str, Tensor]:
        """Load the tensors.

        Raises
        ------
        ArtifactError
            If the file is missing or its digest is not `weights_sha256`.
        """
        return safetensors.torch.load(verified(self.path, self.weights_sha256))


@dataclass(frozen=True)
class Packed:
    """Both files of an artifact, on their way to another machine.

    Attributes
    ----------
    description : bytes
    content : bytes
        The safetensors file.
    """

    description: bytes
    content: bytes


def described(path: Path) -> Artifact:
    """Read what a description says.

    Parameters
    ----------
    path : Path
        The ``.json`` file.

    Raises
    ------
    ArtifactError
        If it is missing or damaged.
    """
    try:
        description = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} is damaged ({error!r}); run 'coinfer zoo gc'") from error
    return parsed(description, path)


def parsed(description: bytes, path: Path) -> Artifact:
    """What a description says, if it is that of the artifact that `path` is named after."""
    try:
        raw = msgspec.json.decode(description)
        artifact = Artifact(
            address=raw["address"],
            inputs=raw["inputs"],
            record=raw["record"],
            weights_sha256=raw["weights_sha256"],
            path=path.with_suffix(".safetensors"),
        )
        sound = raw["schema"] == SCHEMA and artifact.address == path.stem
        sound = sound and canonical_sha256(artifact.inputs) == artifact.address
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged ({error!r}); run 'coinfer zoo gc'") from error
    if not sound:
        raise ArtifactError(f"{path} does not describe what its name says; run 'coinfer zoo gc'")
    return artifact


def verified(path: Path, sha256: str) -> bytes:
    """Content of a file that has this digest.

    Raises
    ------
    ArtifactError
        If it is missing, or has another.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} is missing; run 'coinfer zoo gc' and train again") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ArtifactError(
            f"{path} has digest {actual}, not {sha256}; run 'coinfer zoo gc' and train again"
        )
    return content


def write_aside(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that no reader sees half of it."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    Path(aside).chmod(0o644)
    Path(aside).replace(path)
