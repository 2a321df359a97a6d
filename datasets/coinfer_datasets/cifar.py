"""Finds and reads CIFAR-10 and CIFAR-100, in their Python or binary form, packed or unpacked.

The forms are described at https://www.cs.toronto.edu/~kriz/cifar.html. All hold the same images in
the same order, so models and results do not depend on which is found.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from coinfer.errors import DatasetError
from coinfer_datasets.manifest import manifest
from coinfer_datasets.places import DATA_VARIABLE, cache_folder, given_place
from coinfer_datasets.unpickling import arrays_only

OFFICIAL_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"

Bytes = npt.NDArray[np.uint8]


class _Found(NamedTuple):
    """A form of the data set on this machine: an archive, or the folder with its files."""

    path: Path
    form: dict[str, Any]


def locate(name: str, data_dir: str | None = None) -> str | None:
    """Return the first archive or folder that is there, or None."""
    found = _find(name, data_dir)
    return None if found is None else str(found.path)


def read(name: str, data_dir: str | None = None) -> tuple[dict[str, Bytes], str]:
    """Read and check one of the forms.

    Parameters
    ----------
    name : {"cifar-10", "cifar-100"}
    data_dir : str, optional
        A folder with one of the archives as they are offered, or with what they unpack to,
        directly or in a folder called `name`.

    Returns
    -------
    arrays : dict
        ``train-images`` and ``test-images`` of shape (N, 3072), channels first;
        ``train-labels`` and ``test-labels`` (the fine ones of CIFAR-100).
    where : str
        The archive or folder they were read from.

    Raises
    ------
    DatasetError
        If none is there, naming every place that was looked at, or if a file is missing,
        damaged, or another one.
    """
    found = _find(name, data_dir)
    if found is None:
        archives = " or ".join(manifest()[name]["archives"])
        looked = ", ".join(str(place) for place in _places(name, data_dir))
        raise DatasetError(
            f"{name} was not found; looked in: {looked}. Put {archives} from {OFFICIAL_URL}, "
            f"packed or unpacked, into a folder and set {DATA_VARIABLE} to it"
        )
    contents = _from_archive(*found) if found.path.is_file() else _from_folder(*found)
    classes = len(manifest()[name]["classes"])
    parts: dict[str, list[Bytes]] = {}
    for file, content in contents.items():
        label = f"{found.path}: {file}"
        parse = _binary if file.endswith(".bin") else _pickled
        images, labels = parse(content, label, classes)
        if len(labels) and labels.max() >= classes:
            raise DatasetError(f"{label} has the label {labels.max()} of {classes} classes")
        kind = "test" if file.startswith("test") else "train"
        parts.setdefault(f"{kind}-images", []).append(images)
        parts.setdefault(f"{kind}-labels", []).append(labels)
    return {part: np.concatenate(arrays) for part, arrays in parts.items()}, str(found.path)


def _places(name: str, data_dir: str | None) -> Iterator[Path]:
    given = given_place(data_dir)
    if given is not None:
        yield from (given, given / name)
    yield cache_folder(name)


def _find(name: str, data_dir: str | None) -> _Found | None:
    for place in _places(name, data_dir):
        for archive, form in manifest()[name]["archives"].items():
            if (place / archive).is_file():
                return _Found(place / archive, form)
            if (place / form["folder"]).is_dir():
                return _Found(place / form["folder"], form)
            if all((place / file).is_file() for file in form["files"]):
                return _Found(place, form)
    return None


def _from_folder(folder: Path, form: dict[str, Any]) -> dict[str, bytes]:
    missing = [file for file in form["files"] if not (folder / file).is_file()]
    if missing:
        raise DatasetError(f"{folder} lacks {', '.join(missing)}; unpack the archive again")
    for file, md5 in form["files"].items():
        _check(folder / file, md5)
    return {file: (folder / file).read_bytes() for file in form["files"]}


def _from_archive(archive: Path, form: dict[str, Any]) -> dict[str, bytes]:
    _check(archive, form["md5"])
    found = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                opened = tar.extractfile(member)
                if opened is not None:
                    found[PurePosixPath(member.name).name] = opened.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DatasetError(f"{archive} cannot be read: {error}; fetch it again") from error
    missing = [file for file in form["files"] if file not in found]
    if missing:
        raise DatasetError(f"{archive} lacks {', '.join(missing)}; fetch it again")
    return {file: found[file] for file in form["files"]}


def _check(path: Path, md5: str) -> None:
    """Compare with the published digest: against damage, not against forgery, which MD5 allows."""
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    if actual.hexdigest() != md5:
        raise DatasetError(
            f"{path} is damaged or another file: its md5 is {actual.hexdigest()}, not {md5} "
            f"({path.stat().st_size} bytes); remove it and fetch it again"
        )


def _pickled(content: bytes, name: str, classes: int) -> tuple[Bytes, Bytes]:
    """A dictionary with keys of bytes: rows of 3072 bytes and a list of labels."""
    batch = arrays_only(content, name)
    key = b"labels" if classes == 10 else b"fine_labels"
    try:
        images, labels = batch[b"data"], np.asarray(batch[key], dtype=np.uint8)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{name} is no batch of CIFAR: {error!r}; fetch it again") from error
    whole = isinstance(images, np.ndarray) and images.dtype == np.uint8
    if not whole or images.shape != (len(labels), 3072):
        raise DatasetError(f"{name} does not hold 3072 bytes for each of its {len(labels)} labels")
    return images, labels


def _binary(content: bytes, name: str, classes: int) -> tuple[Bytes, Bytes]:
    """Records of a label (CIFAR-100: a coarse and a fine one) and 3072 bytes."""
    head = 1 if classes == 10 else 2
    if len(content) % (head + 3072):
        raise DatasetError(
            f"{name} ends inside a record: {len(content)} bytes are no multiple of {head + 3072}"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, head + 3072)
    return records[:, head:], records[:, head - 1]
