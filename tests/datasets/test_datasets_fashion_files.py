"""Finding and checking the files of Fashion-MNIST, with small stand-ins."""

import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

import coinfer_datasets
from coinfer.errors import DatasetError
from coinfer_datasets import catalogue, fashion_mnist, idx


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """Four small files that the manifest is made to expect; no real folder is looked at."""
    rng = np.random.default_rng(0)
    made = {}
    for kind, count in (("train", 6), ("t10k", 4)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        made[f"{kind}-images-idx3-ubyte"] = idx_bytes(images)
        made[f"{kind}-labels-idx1-ubyte"] = idx_bytes(labels)
    entry = catalogue.manifest()["fashion-mnist"]
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    monkeypatch.setitem(entry, "files", digests)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "no-debian")
    monkeypatch.setattr(fashion_mnist, "cache_folder", lambda _: tmp_path / "no-cache")
    return made


def write_folder(folder: Path, contents: dict[str, bytes], packed: bool) -> None:
    folder.mkdir()
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)


def write_deb(path: Path, contents: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        for name, content in contents.items():
            content = gzip.compress(content)
            member = tarfile.TarInfo(f"./usr/share/datasets/fashion-mnist/{name}.gz")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("odd", b"abc"), ("data.tar.xz", None)):
        data = packed.getvalue() if data is None else data
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) % 2)
    path.write_bytes(archive)


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_is_read_plain_or_packed(
    contents: dict[str, bytes], tmp_path: Path, packed: bool
) -> None:
    write_folder(tmp_path / "here", contents, packed)
    arrays, where = fashion_mnist.read(str(tmp_path / "here"))
    assert where == str(tmp_path / "here")
    assert arrays["train-images"].shape == (6, 28, 28)
    assert arrays["t10k-labels"].shape == (4,)


def test_a_debian_package_is_read(contents: dict[str, bytes], tmp_path: Path) -> None:
    deb = tmp_path / "dataset-fashion-mnist_0.deb"
    write_deb(deb, contents)
    for named in (deb, tmp_path):
        arrays, where = fashion_mnist.read(str(named))
        assert where == str(deb)
        expected = idx.parse(contents["t10k-images-idx3-ubyte"], "expected")
        np.testing.assert_array_equal(arrays["t10k-images"], expected)


def test_other_content_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    name = "t10k-labels-idx1-ubyte"
    write_folder(tmp_path / "here", contents | {name: contents[name][:-1] + b"\xff"}, packed=True)
    with pytest.raises(DatasetError, match=r"t10k-labels.* damaged or another file.*sha256"):
        fashion_mnist.read(str(tmp_path / "here"))


def test_a_truncated_gz_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    write_folder(tmp_path / "here", contents, packed=True)
    path = tmp_path / "here" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match="cannot be decompressed"):
        fashion_mnist.read(str(tmp_path / "here"))


def test_a_missing_set_says_where_it_was_looked_for(
    contents: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError) as caught:
        coinfer_datasets.load("fashion-mnist", data_dir=str(tmp_path / "nowhere"))
    message = str(caught.value)
    for part in ("nowhere", "no-debian", "no-cache", "apt install", "github.com", "test-2000"):
        assert part in message


@pytest.mark.parametrize("content", [b"", b"\0\0\x0d\1", b"\0\0\x08\3abc", b"not a package"])
def test_a_file_that_is_no_package_is_refused(
    contents: dict[str, bytes], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file.deb"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="neither a folder nor a Debian package"):
        fashion_mnist.read(str(path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\0\0\x0d\1\0\0\0\1a", "not an IDX file"),
        (b"\0\0\x08\3ab", "inside its IDX header"),
        (b"\0\0\x08\1\0\0\0\5abc", "holds 3 bytes"),
    ],
)
def test_a_malformed_idx_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        idx.parse(content, "a file")
