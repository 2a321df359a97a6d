"""The zoo: trained models and what was computed from them, each under the digest of its inputs.

An artifact is two files: ``<address>.safetensors`` with tensors and ``<address>.json`` with what
it was made from and how. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
from torch import Tensor

from coinfer.errors import ArtifactError
from coinfer.models import canonical_sha256
from coinfer.training.locks import exclusive

SCHEMA = 1
ZOO_VARIABLE = "COINFER_ZOO"


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
        return safetensors.torch.load(_verified(self.path, self.weights_sha256))


def user_zoo() -> Path:
    """Return the folder that trained models go to: ``COINFER_ZOO``, or one in the user's cache."""
    from platformdirs import user_cache_path

    named = os.environ.get(ZOO_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("coinfer") / "zoo"


def shipped_zoo() -> Path:
    """Return the read-only folder of models that come with the package."""
    return Path(str(files("coinfer") / "zoo"))


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
    """

    def __init__(self, root: Path | None = None, shipped: Path | None = None) -> None:
        self.root = user_zoo() if root is None else root
        self.shipped = shipped_zoo() if shipped is None else shipped
        self.used: dict[str, Artifact] = {}

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
                return self._using(_described(path))
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
        return self._using(_described(self.root / f"{address}.json"))

    def find_or_make(self, inputs: Mapping[str, Any], make: Callable[[], Artifact]) -> Artifact:
        """Return the artifact of `inputs`, or what `make` puts there.

        Two processes that need the same one do not both make it: the second waits for the first.
        """
        address = canonical_sha256(dict(inputs))
        found = self.get(address)
        if found is None:
            with exclusive(self.unfinished(address).with_suffix(".lock")):
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
                artifact = _described(path)
                if artifact.weights_sha256 == sha256:
                    return _verified(artifact.path, sha256)
        raise ArtifactError(
            f"no weights {sha256} in {self.root} or {self.shipped}; train them with "
            "'coinfer train', or copy both files of the artifact there"
        )

    def ls(self) -> list[Artifact]:
        """List all artifacts, the user's first."""
        return [_described(path) for path in self._descriptions()]

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
                artifact = _described(path)
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
        content = _verified(artifact.path, artifact.weights_sha256)
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
        artifact = _parsed(packed.description, target)
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


def _described(path: Path) -> Artifact:
    try:
        description = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} is damaged ({error!r}); run 'coinfer zoo gc'") from error
    return _parsed(description, path)


def _parsed(description: bytes, path: Path) -> Artifact:
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


def _verified(path: Path, sha256: str) -> bytes:
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


def _digest_or_none(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def write_aside(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that no reader sees half of it."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    Path(aside).chmod(0o644)
    Path(aside).replace(path)
