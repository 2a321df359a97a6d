"""The zoo: trained models and what was computed from them, each under the digest of its inputs.

An artifact is two files: ``<address>.safetensors`` with tensors and ``<address>.json`` with what
it was made from and how. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
from torch import Tensor

from coinfer.errors import ArtifactError
from coinfer.models import canonical_sha256
from coinfer.training.artifacts import (
    SCHEMA,
    Artifact,
    Packed,
    described,
    parsed,
    verified,
    write_aside,
)
from coinfer.training.locks import exclusive

ZOO_VARIABLE = "COINFER_ZOO"


def user_zoo() -> Path:
    """Return the folder that trained models go to: ``COINFER_ZOO``, or one in the user's cache."""
    from platformdirs import user_cache_path

    named = os.environ.get(ZOO_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("coinfer") / "zoo"


def shipped_zoo() -> Path:
    """Return the read-only folder of models that come with the package."""
    return Path(str(files("coinfer") / "zoo"))


class Zoo:
    """Artifacts in the user's folder and, read-only, in the package.

    Parameters
    ----------
    root : Path, optional
        Where artifacts are written; `user_zoo` by default.
    shipped : Path, optional
        Where they are also looked for; `shipped_zoo` by default.

    Attributes
    ----------
    used : dict of str to Artifact
        What was found or put until now, by address.
    waits : bool
        Whether `find_or_make` waits for another process that is making the same.
    """

    def __init__(self, root: Path | None = None, shipped: Path | None = None) -> None:
        self.root = user_zoo() if root is None else root
        self.shipped = shipped_zoo() if shipped is None else shipped
        self.used: dict[str, Artifact] = {}
        self.waits = True

    def get(self, address: str) -> Artifact | None:
        """Return the artifact at `address`, the user's before the shipped one, or None.

        Raises
        ------
        ArtifactError
            If its description is damaged or belongs to another address.
        """
        for folder in (self.root, self.shipped):
            path = folder / f"{address}.json"
            if path.is_file():
                return self._using(described(path))
        return None

    def put(
        self, inputs: Mapping[str, Any], tensors: Mapping[str, Tensor], record: Mapping[str, Any]
    ) -> Artifact:
        """Store an artifact under the digest of `inputs`; what is there already is kept.

        Parameters
        ----------
        inputs : Mapping[str, Any]
            JSON values that decide the content.
        tensors : Mapping[str, Tensor]
        record : Mapping[str, Any]
            JSON values.
        """
        address = canonical_sha256(dict(inputs))
        known = self.get(address)
        if known is not None and _digest_or_none(known.path) == known.weights_sha256:
            return known
        content = safetensors.torch.save(
            {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        )
        description = {
            "schema": SCHEMA,
            "address": address,
            "inputs": dict(inputs),
            "weights_sha256": hashlib.sha256(content).hexdigest(),
            "weights_bytes": len(content),
            "record": dict(record),
        }
        self.root.mkdir(parents=True, exist_ok=True)
        # The description comes last: whoever finds it finds the tensors too.
        write_aside(self.root / f"{address}.safetensors", content)
        text = msgspec.json.format(msgspec.json.encode(description), indent=2)
        write_aside(self.root / f"{address}.json", text + b"\n")
        self.unfinished(address).unlink(missing_ok=True)
        return self._using(described(self.root / f"{address}.json"))

    def find_or_make(self, inputs: Mapping[str, Any], make: Callable[[], Artifact]) -> Artifact:
        """Return the artifact of `inputs`, or what `make` puts there.

        Two processes that need the same one do not both make it: the second waits for the first.

        Raises
        ------
        BusyError
            If another process is making it, and this zoo was told not to wait.
        """
        address = canonical_sha256(dict(inputs))
        found = self.get(address)
        if found is None:
            with exclusive(self.unfinished(address).with_suffix(".lock"), wait=self.waits):
                found = self.get(address) or make()
        return found

    def unfinished(self, address: str) -> Path:
        """Where a training that will end at `address` keeps its state; `put` removes the file."""
        return self.root / "unfinished" / f"{address}.safetensors"

    def remember(self, inputs: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """Return the JSON value stored under `inputs`, computing and storing it the first time."""
        known = self.get(canonical_sha256(dict(inputs)))
        if known is None:
            known = self.put(inputs, {}, {"value": compute()})
        return known.record["value"]

    def weights(self, sha256: str) -> Mapping[str, Tensor]:
        """Load the tensors whose file has this digest.

        Raises
        ------
        ArtifactError
            If no artifact has it, or its file is damaged.
        """
        return safetensors.torch.load(self.content(sha256))

    def content(self, sha256: str) -> bytes:
        """Content of the safetensors file that has this digest.

        Raises
        ------
        ArtifactError
            If no artifact has it, or its file is damaged.
        """
        for path in self._descriptions():
            # A cheap look at the text spares parsing hundreds of descriptions.
            if sha256.encode() in path.read_bytes():
                artifact = described(path)
                if artifact.weights_sha256 == sha256:
                    return verified(artifact.path, sha256)
        raise ArtifactError(
            f"no weights {sha256} in {self.root} or {self.shipped}; train them with "
            "'coinfer train', or copy both files of the artifact there"
        )

    def ls(self) -> list[Artifact]:
        """List all artifacts, the user's first."""
        return [described(path) for path in self._descriptions()]

    def gc(self, keep: Collection[str] | None = None) -> list[Path]:
        """Remove what is half-written or damaged from the user's folder.

        Parameters
        ----------
        keep : collection of str, optional
            Addresses; where given, every other artifact of the user's goes too.

        Returns
        -------
        list of Path
            The files that were removed.
        """
        if not self.root.is_dir():
            return []
        sound: set[str] = set()
        for path in self.root.glob("*.json"):
            try:
                artifact = described(path)
                artifact.tensors()
            except ArtifactError:
                continue
            if keep is None or artifact.address in keep:
                sound.add(artifact.address)
        removed = [
            path
            for path in sorted(self.root.iterdir())
            if path.suffix in {".json", ".safetensors", ".part"}
            and (path.suffix == ".part" or path.stem not in sound)
        ]
        removed += sorted((self.root / "unfinished").glob("*.part"))
        for path in removed:
            path.unlink()
        return removed

    def export(self, address: str, folder: Path) -> None:
        """Copy both files of an artifact into another zoo, such as the shipped one.

        Raises
        ------
        ArtifactError
            If there is none at `address`, or it is damaged.
        """
        Zoo(folder, folder).unpack(address, self.pack(address))

    def pack(self, address: str) -> Packed:
        """Read both files of an artifact.

        Raises
        ------
        ArtifactError
            If there is none at `address`, or it is damaged.
        """
        artifact = self.get(address)
        if artifact is None:
            raise ArtifactError(f"no artifact {address} in {self.root} or {self.shipped}")
        content = verified(artifact.path, artifact.weights_sha256)
        return Packed(artifact.path.with_suffix(".json").read_bytes(), content)

    def unpack(self, address: str, packed: Packed) -> Artifact:
        """Write both files of an artifact, as they are, into the user's folder.

        Raises
        ------
        ArtifactError
            If they are damaged, or belong to another address; then nothing is to be found there.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        target = self.root / f"{address}.json"
        artifact = parsed(packed.description, target)
        if hashlib.sha256(packed.content).hexdigest() != artifact.weights_sha256:
            raise ArtifactError(f"artifact {address} was damaged on its way; send it again")
        write_aside(artifact.path, packed.content)
        write_aside(target, packed.description)
        return self._using(artifact)

    def _using(self, artifact: Artifact) -> Artifact:
        self.used[artifact.address] = artifact
        return artifact

    def _descriptions(self) -> Iterator[Path]:
        for folder in (self.root, self.shipped):
            if folder.is_dir():
                yield from sorted(folder.glob("*.json"))


def _digest_or_none(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
