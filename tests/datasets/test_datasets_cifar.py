"""Finding, checking and reading CIFAR in all its forms, with small stand-ins."""

import hashlib
import io
import pickle
import tarfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

import coinfer_datasets
from coinfer.errors import DatasetError
from coinfer.execute import check
from coinfer.methods import parameter_types
from coinfer.suite import expand, load_suite
from coinfer.training.recipe import recipe
from coinfer_datasets import catalogue, places, unpickling

ROWS = 4
PARTS = {
    "cifar-10": {
        "train": ["train", 0, 14],
        "validation": ["train", 14, 17],
        "calibration": ["train", 17, 20],
        "test": ["test", 0, 4],
    },
    "cifar-100": {
        "train": ["train", 0, 2],
        "validation": ["train", 2, 3],
        "calibration": ["train", 3, 4],
        "test": ["test", 0, 4],
    },
}
NAMES = list(PARTS)
ARCHIVES = [(name, archive) for name in NAMES for archive in catalogue.manifest()[name]["archives"]]


def batch(file, classes):
    """Images and labels of one file, the same for both forms."""
    rng = np.random.default_rng(list(file.removesuffix(".bin").encode()))
    images = rng.integers(0, 256, (ROWS, 3072), dtype=np.uint8)
    return images, rng.integers(0, classes, ROWS)


def pickled(images, labels, classes, module="numpy._core"):
    """A batch as Python 3 writes it for Python 2: keys are bytes, the module of NumPy by name."""
    key = b"labels" if classes == 10 else b"fine_labels"
    content = pickle.dumps({b"data": images, key: labels.tolist()}, protocol=2)
    return content.replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", module.encode())


def written(file, classes):
    images, labels = batch(file, classes)
    if not file.endswith(".bin"):
        return pickled(images, labels, classes)
    heads = labels[:, None] if classes == 10 else np.stack([labels // 5, labels], axis=1)
    return np.concatenate([heads.astype(np.uint8), images], axis=1).tobytes()


def packed(folder, contents):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for file, content in {"readme.html": b"hello", **contents}.items():
            member = tarfile.TarInfo(f"{folder}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def stand_ins(monkeypatch, tmp_path):
    """Archive to folder name, file contents and packed bytes; the manifest expects them."""
    monkeypatch.delenv(places.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(
        "coinfer_datasets.cifar.cache_folder", lambda name: tmp_path / "cache" / name
    )
    made = {}
    for name in NAMES:
        entry = deepcopy(catalogue.manifest()[name])
        entry["split"]["parts"] = PARTS[name]
        entry["sizes"] = {s: stop - start for s, (_, start, stop) in PARTS[name].items()}
        for archive, form in entry["archives"].items():
            contents = {file: written(file, len(entry["classes"])) for file in form["files"]}
            made[archive] = form["folder"], contents, packed(form["folder"], contents)
            form["md5"] = hashlib.md5(made[archive][2]).hexdigest()
            form["files"] = {f: hashlib.md5(c).hexdigest() for f, c in contents.items()}
        monkeypatch.setitem(catalogue.manifest(), name, entry)
    return made


def unpacked(folder, contents):
    folder.mkdir(parents=True)
    for file, content in contents.items():
        (folder / file).write_bytes(content)


def expected(name):
    """All training images and labels in the order of the files."""
    classes = 10 if name == "cifar-10" else 100
    files = [f"data_batch_{i}" for i in range(1, 6)] if classes == 10 else ["train"]
    pairs = [batch(file, classes) for file in files]
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


@pytest.mark.parametrize("where", ["archive", "folder", "inside", "named", "cache"])
@pytest.mark.parametrize(("name", "archive"), ARCHIVES)
def test_every_form_gives_the_same_images(stand_ins, tmp_path, name, archive, where):
    folder, contents, tar = stand_ins[archive]
    home = tmp_path / "cache" / name if where == "cache" else tmp_path / "data"
    if where == "archive":
        home.mkdir()
        (home / archive).write_bytes(tar)
    elif where == "inside":
        unpacked(home, contents)
    else:
        unpacked((home / name if where == "named" else home) / folder, contents)
    data_dir = None if where == "cache" else str(home)
    data = coinfer_datasets.load(name, data_dir)

    images, labels = expected(name)
    loaded = [data.split(s) for s in ("train", "validation", "calibration")]
    assert [len(s) for s in loaded] == [data.info.sizes[s] for s in list(PARTS[name])[:3]]
    together = np.concatenate([s.images for s in loaded])
    np.testing.assert_array_equal(together, images.reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(np.concatenate([s.labels for s in loaded]), labels)
    assert data.test.images.shape == (4, 3, 32, 32)
    assert data.test.images.dtype == np.uint8
    assert data.test.labels.dtype == np.int64
    # Red comes first, then green, then blue, each row by row.
    assert data.train.images[0, 1, 0, 2] == images[0, 1024 + 2]
    rows = {row["name"]: row for row in coinfer_datasets.available(data_dir)}
    assert rows[name]["where"] == data.where


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_batches_of_old_and_new_numpy_are_read(module):
    images, labels = batch("a", 10)
    content = pickled(images, labels, 10, module)
    assert module.encode() + b".multiarray\n" in content
    found = unpickling.arrays_only(content, "a batch")
    np.testing.assert_array_equal(found[b"data"], images)
    assert found[b"labels"] == labels.tolist()


def test_a_batch_of_python_2_is_read():
    """Strings of Python 2, which the real files hold, written opcode by opcode."""
    text = b"(dp1\nS'data'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    dtype = b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
    state = b"(I1\n(I1\nI2\nt" + dtype + b"I00\nS'\\x07\\xff'\ntb"
    found = unpickling.arrays_only(text + state + b"s.", "a batch")
    assert found[b"data"].tolist() == [[7, 255]]


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, protocol):
    trace = tmp_path / "ran"
    for thing in (
        Malicious(Path.touch, trace),
        Malicious(eval, "1"),
        Malicious(getattr, 1, "real"),
    ):
        with pytest.raises(DatasetError, match=r"a batch is refused: it asks for .*only arrays"):
            unpickling.arrays_only(pickle.dumps({b"data": thing}, protocol), "a batch")
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"\x80\x02}q\0", b"I12", b"\x80\x02h\x05."])
def test_a_damaged_pickle_is_a_data_set_error(content):
    with pytest.raises(DatasetError, match="a batch"):
        unpickling.arrays_only(content, "a batch")


@pytest.mark.parametrize(("name", "archive"), ARCHIVES)
def test_a_changed_or_short_file_is_named(stand_ins, tmp_path, name, archive):
    folder, contents, tar = stand_ins[archive]
    last = list(contents)[-1]
    unpacked(tmp_path / folder, contents | {last: contents[last][:-1]})
    with pytest.raises(DatasetError, match=rf"{last} is damaged or another file: its md5 is "):
        coinfer_datasets.load(name, str(tmp_path))
    (tmp_path / folder / last).unlink()
    with pytest.raises(DatasetError, match=rf"{folder} lacks {last}; unpack"):
        coinfer_datasets.load(name, str(tmp_path))
    (tmp_path / archive).write_bytes(tar[:-9])
    with pytest.raises(DatasetError, match=rf"{archive} is damaged .*{len(tar) - 9} bytes"):
        coinfer_datasets.load(name, str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("train.bin", b"\0" * 3073, "ends inside a record: 3073 bytes"),
        ("train.bin", b"\0" * 3074, "has 1 of 2 train images"),
        ("train.bin", b"\0\xc8" + b"\0" * 3072, "has the label 200 of 100 classes"),
        ("train", pickle.dumps({b"data": 1}, 2), "no batch of CIFAR: KeyError"),
        ("train", pickle.dumps([], 2), "no batch of CIFAR: TypeError"),
        ("train", pickle.dumps({b"data": 1, b"fine_labels": [1]}, 2), "does not hold 3072 bytes"),
    ],
)
def test_content_that_is_no_batch_is_refused(stand_ins, tmp_path, file, content, problem):
    """Even where a digest would let it pass."""
    entry = catalogue.manifest()["cifar-100"]
    archive = f"cifar-100-{'binary' if file.endswith('bin') else 'python'}.tar.gz"
    folder, contents, _ = stand_ins[archive]
    entry["archives"][archive]["files"][file] = hashlib.md5(content).hexdigest()
    unpacked(tmp_path / folder, contents | {file: content})
    with pytest.raises(DatasetError, match=problem):
        coinfer_datasets.load("cifar-100", str(tmp_path))


def test_an_archive_without_its_batches_is_refused(stand_ins, tmp_path):
    archive = "cifar-100-python.tar.gz"
    tar = packed("cifar-100-python", {"train": b""})
    form = catalogue.manifest()["cifar-100"]["archives"][archive]
    for content, problem in ((tar, "lacks test"), (b"no archive", "cannot be read")):
        form["md5"] = hashlib.md5(content).hexdigest()
        (tmp_path / archive).write_bytes(content)
        with pytest.raises(DatasetError, match=rf"{archive} {problem}.*fetch it again"):
            coinfer_datasets.load("cifar-100", str(tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_set_says_where_it_was_looked_for_and_what_to_put_there(
    stand_ins, tmp_path, monkeypatch, name
):
    monkeypatch.setenv(places.DATA_VARIABLE, str(tmp_path / "mine"))
    with pytest.raises(DatasetError) as caught:
        coinfer_datasets.load(name)
    message = str(caught.value)
    for part in (str(tmp_path / "mine"), f"mine/{name}", f"cache/{name}", f"{name}-binary.tar.gz"):
        assert part in message
    assert places.DATA_VARIABLE in message


def test_the_manifest_describes_the_published_sets():
    ten, hundred = (coinfer_datasets.info(name) for name in NAMES)
    assert (len(ten.classes), len(hundred.classes)) == (10, 100)
    for info in (ten, hundred):
        assert list(info.classes) == sorted(set(info.classes))
        assert info.sizes == coinfer_datasets.info("fashion-mnist").sizes | {"train": 45000}
        assert info.shape == (3, 32, 32)
    assert ten.identity != hundred.identity
    # Published per channel for images between 0 and 1.
    np.testing.assert_allclose(np.divide(ten.mean, 255), [0.4914, 0.4822, 0.4465], atol=1e-4)
    np.testing.assert_allclose(np.divide(ten.std, 255), [0.2470, 0.2435, 0.2616], atol=1e-4)
    np.testing.assert_allclose(np.divide(hundred.mean, 255), [0.5071, 0.4865, 0.4409], atol=1e-4)
    np.testing.assert_allclose(np.divide(hundred.std, 255), [0.2673, 0.2564, 0.2762], atol=1e-4)


@pytest.mark.parametrize(
    ("suite", "name", "methods"),
    [
        ("rocoin", "cifar-10", ["rocoin-large", "rocoin-any", "nonn-small", "ensemble"]),
        ("distree", "cifar-10", ["no-exit", "speculative", "single", "ensemble-8"]),
        ("rocoin", "cifar-100", ["rocoin", "hetnonn-small"]),
    ],
)
def test_the_suites_of_the_papers_can_be_planned_for(
    stand_ins, tmp_path, monkeypatch, suite, name, methods
):
    monkeypatch.setattr("coinfer.execute.planned.dataset", coinfer_datasets.load)
    archive = f"{name}-python.tar.gz"
    (tmp_path / archive).write_bytes(stand_ins[archive][2])
    monkeypatch.setenv(places.DATA_VARIABLE, str(tmp_path))
    overrides = {"dataset": [name], "train_seed": [0], "method": methods}
    cells = expand(load_suite(suite), parameter_types(), overrides)
    assert {cell.dataset for cell in cells} == {name}
    assert len(cells) == len(methods)
    for cell in cells:
        check(cell)


def test_a_teacher_of_cifar_sees_images_moved_by_four_pixels():
    for name in NAMES:
        assert recipe("quickstart", name).teacher.shift_pixels == 4
    assert recipe("quickstart", "fashion-mnist") == recipe("quickstart")
