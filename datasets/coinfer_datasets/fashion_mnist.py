"""Finds the four files of Fashion-MNIST on this machine; nothing is ever downloaded."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from coinfer.errors import DatasetError
from coinfer_datasets import idx
from coinfer_datasets.manifest import manifest
from coinfer_datasets.places import DATA_VARIABLE, cache_folder, given_place

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
OFFICIAL_URL = "https://github.com/zalandoresearch/fashion-mnist"

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


def locate(data_dir: str | None = None) -> str | None:
    """Return the first place that has all four files, or None."""
    names = manifest()["fashion-mnist"]["files"]
    for place in _places(data_dir):
        if place.is_file() or all(_file(place, name) for name in names):
            return str(place)
    return None


def read(data_dir: str | None = None) -> tuple[dict[str, npt.NDArray[np.uint8]], str]:
    """Read and check the four IDX files.

    Parameters
    ----------
    data_dir : str, optional
        A folder with the files (plain or ``.gz``, directly or in ``fashion-mnist/``), or a
        ``.deb`` file of the Debian package ``dataset-fashion-mnist``.

    Returns
    -------
    arrays : dict
        ``train-images``, ``train-labels``, ``t10k-images``, ``t10k-labels``.
    where : str
        The place they were read from.

    Raises
    ------
    DatasetError
        If they are nowhere, naming every place that was looked at, or if one is damaged.
    """
    where = locate(data_dir)
    if where is None:
        looked = ", ".join(str(p) for p in _places(data_dir, existing=False))
        raise DatasetError(
            f"Fashion-MNIST was not found; looked in: {looked}. On Debian or Ubuntu: "
            "apt install dataset-fashion-mnist. Elsewhere: download the four *-ubyte.gz files "
            f"named at {OFFICIAL_URL}, or the Debian package's .deb file, and set {DATA_VARIABLE} "
            "to their folder or to that file. 'fashion-mnist/test-2000' needs none of this."
        )
    place = Path(where)
    content = _from_deb(place) if place.is_file() else _from_folder(place)
    arrays = {}
    for name, sha256 in manifest()["fashion-mnist"]["files"].items():
        kind, what, _ = name.split("-", 2)
        arrays[f"{kind}-{what}"] = idx.parse(content(name), f"{where}: {name}", sha256)
    return arrays, where


def _places(data_dir: str | None, existing: bool = True) -> Iterator[Path]:
    given = given_place(data_dir)
    if given is not None:
        yield from (p for p in (given, given / "fashion-mnist") if p.exists() or not existing)
        if given.is_dir():
            yield from sorted(given.glob("dataset-fashion-mnist*.deb"))
    yield from (
        p for p in (DEBIAN_FOLDER, cache_folder("fashion-mnist")) if p.is_dir() or not existing
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)


def _from_folder(folder: Path) -> Callable[[str], bytes]:
    def content(name: str) -> bytes:
        path = _file(folder, name)
        if path is None:
            raise DatasetError(f"{folder / name} went away while it was read")
        return _unpacked(path.read_bytes(), str(path))

    return content


def _from_deb(deb: Path) -> Callable[[str], bytes]:
    data = _ar_member(deb.read_bytes(), "data.tar", deb)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found = {
                PurePosixPath(member.name).name.removesuffix(".gz"): opened.read()
                for member in tar.getmembers()
                if (opened := tar.extractfile(member)) is not None
            }
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DatasetError(f"the data archive inside {deb} cannot be read: {error}") from error

    def content(name: str) -> bytes:
        if name not in found:
            raise DatasetError(f"{deb} holds no {name}; is it the package dataset-fashion-mnist?")
        return _unpacked(found[name], f"{deb}: {name}")

    return content


def _unpacked(content: bytes, name: str) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise DatasetError(f"{name} cannot be decompressed: {error}; fetch it again") from error


def _ar_member(archive: bytes, prefix: str, deb: Path) -> bytes:
    """Return the first member of an ar archive whose name begins with `prefix`."""
    if not archive.startswith(_AR_MAGIC):
        raise DatasetError(f"{deb} is neither a folder nor a Debian package")
    at = len(_AR_MAGIC)
    while at + _AR_HEADER_BYTES <= len(archive):
        header = archive[at : at + _AR_HEADER_BYTES]
        at += _AR_HEADER_BYTES
        try:
            size = int(header[48:58])
        except ValueError:
            break
        if header[:16].decode("ascii", "replace").startswith(prefix):
            return archive[at : at + size]
        at += size + size % 2  # members begin at even offsets
    raise DatasetError(f"{deb} holds no {prefix} member; fetch the package again")
