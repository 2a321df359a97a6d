"""Selection of back ends, and what the functions take and refuse."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import coinfer_kernels
from coinfer_kernels import BackendError, ExitScores
from coinfer_kernels import backend as backends

FUNCTIONS = ("encode", "encode_batch", "decode", "verify", "gather", "crc32c", "exit_scores",
             "should_exit", "feature_change", "count_agreement")  # fmt: skip
X = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


def run(code, **environment):
    names = ("COINFER_KERNELS", "COINFER_ISA")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True
    )


def test_all_three_back_ends_are_tested_here():
    if os.environ.get("COINFER_NO_EXTENSION") == "1":
        pytest.skip("built without the extension on purpose")
    assert backends.available() == ["native", "numba", "reference"]


@pytest.mark.parametrize("name", backends.available())
def test_a_back_end_can_be_forced(name):
    done = run("import coinfer_kernels as k; i = k.info(); print(i['backend'], i['reason'])",
               COINFER_KERNELS=name)  # fmt: skip
    assert done.stdout.strip() == f"{name} forced by COINFER_KERNELS", done.stderr


def test_an_instruction_set_can_be_forced():
    if "native" not in backends.available():
        pytest.skip("no extension")
    isa = backends.load("native").instruction_set().isa_available[-1]
    done = run("import coinfer_kernels as k; i = k.info(); print(i['isa'], i['isa_reason'])",
               COINFER_ISA=isa)  # fmt: skip
    assert done.stdout.strip() == f"{isa} forced by COINFER_ISA", done.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"COINFER_KERNELS": "cuda"}, "unknown back end 'cuda'; choose from native, numba"),
        ({"COINFER_ISA": "sve"}, "instruction set 'sve' (forced by COINFER_ISA)"),
    ],
)
def test_what_is_forced_but_missing_is_an_error(environment, message):
    if "native" not in backends.available():
        pytest.skip("no extension")
    done = run("import coinfer_kernels", **environment)
    assert done.returncode != 0
    assert "BackendError" in done.stderr
    assert message in done.stderr


def test_without_the_extension_the_next_one_is_taken_and_named():
    done = run(
        "import sys; sys.modules['coinfer_kernels._native'] = None\n"
        "import coinfer_kernels as k; i = k.info()\n"
        "print(i['backend'], '|', i['reason'], '|', i['backends']['native'])"
    )
    name, reason, native = done.stdout.split("|")
    assert name.strip() in ("numba", "reference")
    assert "native: the extension is not built" in reason
    assert "the extension is not built" in native


def test_numba_and_torch_are_not_imported_for_nothing():
    done = run("import coinfer_kernels, sys; print({'numba', 'torch'} & set(sys.modules))")
    if "native" in backends.available():
        assert done.stdout.strip() == "set()"


def test_info_names_everything():
    info = coinfer_kernels.info()
    assert set(info) == {
        "backend", "reason", "isa", "isa_available", "isa_reason", "backends", "forced",
        "encodings", "wire_version", "versions",
    }  # fmt: skip
    assert info["wire_version"] == 1
    assert info["encodings"] == [
        "raw", "fp16", "bf16", "int8", "int8-channel", "int4", "int4-channel", "int4-group32",
        "sparse-fp32", "sparse-fp16", "sparse-int8",
    ]  # fmt: skip


def test_back_ends_provide_the_documented_functions(backend):
    for name in FUNCTIONS:
        assert "Parameters" in getattr(backend, name).__doc__
    assert backend.name in backends.NAMES
    assert backend.peek(backend.encode(X, "raw")).shape == (3, 4)
    assert backend.encoded_size((3, 4), "raw") == 112
    assert set(FUNCTIONS) | {"peek", "encoded_size"} <= set(coinfer_kernels.__all__)


SIZES = {"raw": 480, "fp16": 240, "bf16": 240, "int8": 120, "int8-channel": 120 + 15, "int4": 60,
         "int4-channel": 60 + 15, "int4-group32": 60 + 20, "sparse-fp32": 480 + 15,
         "sparse-fp16": 240 + 15, "sparse-int8": 120 + 15}  # fmt: skip


@pytest.mark.parametrize("encoding", SIZES)
def test_encoded_sizes(backend, encoding):
    x = np.ones((10, 3, 4), np.float32)
    assert backend.encoded_size(x.shape, encoding) == 64 + SIZES[encoding]
    assert len(backend.encode(x, encoding)) == 64 + SIZES[encoding]
    one = {"raw": 4, "fp16": 2, "bf16": 2, "sparse-fp32": 5, "sparse-fp16": 3, "sparse-int8": 2}
    table = 5 if encoding in ("int8-channel", "int4-channel", "int4-group32") else 0
    assert backend.encoded_size((), encoding) == 64 + one.get(encoding, 1 + table)


def test_encoded_size_refuses(backend):
    with pytest.raises(ValueError, match="choose from raw, fp16, bf16"):
        backend.encoded_size((1,), "int7")
    for shape in ((1,) * 5, (-1,), (2**28 + 1,), (0, 2**20, 2**20)):
        with pytest.raises(ValueError, match=r"shape|dimensions"):
            backend.encoded_size(shape, "int8")


def test_loading_refuses_nonsense():
    with pytest.raises(BackendError, match="unknown back end"):
        backends.load("fortran")
    with pytest.raises(BackendError, match="no instruction sets"):
        backends.load("reference", isa="sse2")


def test_encode_refuses(backend):
    encode = backend.encode
    with pytest.raises(TypeError, match="x must be float32 or float16, not float64"):
        encode(np.zeros(3), "raw")
    with pytest.raises(TypeError, match="not int32"):
        encode(np.zeros(3, np.int32), "raw")
    with pytest.raises(TypeError, match="not >f4"):
        encode(X.astype(">f4"), "raw")
    with pytest.raises(ValueError, match="at most 4 dimensions, not 5"):
        encode(np.zeros((1, 1, 1, 1, 1), np.float32), "raw")
    with pytest.raises(ValueError, match="C-contiguous"):
        encode(X.T, "raw")
    with pytest.raises(ValueError, match="C-contiguous"):
        encode(X[:, ::2], "raw")
    for name in ("int7", "", None, 3):
        with pytest.raises(ValueError, match="choose from raw, fp16, bf16, int8"):
            encode(X, name)
    for out in (bytes(500), memoryview(bytearray(500))[::2], np.zeros(90, np.float32)):
        with pytest.raises(ValueError, match="out must be a writable, contiguous"):
            encode(X, "raw", out)
    with pytest.raises(ValueError, match="out has 111 bytes, but 112 are needed"):
        encode(X, "raw", bytearray(111))
    with pytest.raises(ValueError, match="elements"):
        encode(np.lib.stride_tricks.as_strided(X, (0, 2**29), (4, 4)), "raw")


def test_decode_refuses(backend):
    frame = backend.encode(X, "raw")
    with pytest.raises(TypeError):
        backend.decode("text")
    with pytest.raises(ValueError, match="contiguous"):
        backend.decode(memoryview(bytes(400))[::2])
    with pytest.raises(TypeError, match="out must be an array of float32"):
        backend.decode(frame, np.zeros((3, 4)))
    with pytest.raises(TypeError, match="out must be an array of float32"):
        backend.decode(frame, bytearray(48))
    with pytest.raises(ValueError, match=r"out must have the shape \(3, 4\), not \(4, 3\)"):
        backend.decode(frame, np.zeros((4, 3), np.float32))
    frozen = np.zeros((3, 4), np.float32)
    frozen.flags.writeable = False
    for out in (frozen, np.zeros((4, 3), np.float32).T):
        with pytest.raises(ValueError, match="writable"):
            backend.decode(frame, out)


def test_confidence_refuses(backend):
    for logits in (X[0], X[None], np.zeros((3, 0), np.float32)):
        with pytest.raises(ValueError, match="logits must have the shape"):
            backend.exit_scores(logits)
        with pytest.raises(ValueError, match="logits must have the shape"):
            backend.should_exit(logits, "margin", 0.5)
    with pytest.raises(TypeError, match="logits must be float32"):
        backend.exit_scores(X.astype(float))
    with pytest.raises(ValueError, match="choose from max-prob, entropy, margin, energy"):
        backend.should_exit(X, "maximum", 0.5)
    with pytest.raises(ValueError, match="threshold must not be NaN"):
        backend.should_exit(X, "entropy", np.nan)
    with pytest.raises((TypeError, ValueError)):
        backend.should_exit(X, "entropy", "high")
    with pytest.raises(TypeError, match="ExitScores"):
        backend.exit_scores(X, tuple(ExitScores.empty(3)))
    with pytest.raises(ValueError, match=r"out.max_prob must have the shape \(3,\)"):
        backend.exit_scores(X, ExitScores.empty(2))
    with pytest.raises(TypeError, match=r"out.label must be an array of int64"):
        backend.exit_scores(X, ExitScores.empty(3)._replace(label=np.zeros(3, np.int32)))
    with pytest.raises(TypeError, match="out must be an array of bool"):
        backend.should_exit(X, "entropy", 1, np.zeros(3, np.int8))


def test_feature_change_refuses(backend):
    with pytest.raises(ValueError, match="must have the same shape"):
        backend.feature_change(X, X[:2], "l2")
    with pytest.raises(ValueError, match=r"features must have the shape \(rows, ...\)"):
        backend.feature_change(X[0], X[0], "l2")
    with pytest.raises(ValueError, match="choose from l2, relative-l2, cosine"):
        backend.feature_change(X, X, "l1")
    with pytest.raises(TypeError, match="out must be an array of float32"):
        backend.feature_change(X, X, "l2", np.empty(3))
    with pytest.raises(ValueError, match=r"out must have the shape \(3,\)"):
        backend.feature_change(X, X, "l2", np.empty((3, 1), np.float32))


def test_crc_may_be_given_by_position(backend):
    for crc in (True, False):
        frame = backend.encode(X, "raw", None, crc)
        assert backend.peek(frame).has_crc is crc
        assert frame == backend.encode(X, "raw", crc=crc)


def test_other_forms_of_input(backend, reference):
    expected = bytes(reference.encode(X, "int8"))
    unaligned = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 4)
    assert not unaligned.flags.aligned
    read_only = X.copy()
    read_only.flags.writeable = False
    torch = pytest.importorskip("torch")
    for x in (unaligned, read_only, torch.from_numpy(X)):
        assert bytes(backend.encode(x, "int8")) == expected
    scores = backend.exit_scores(torch.from_numpy(X))
    assert scores.label.tolist() == [3, 3, 3]
    assert backend.feature_change(torch.from_numpy(X), unaligned, "l2").tolist() == [0, 0, 0]


def test_frames_come_from_any_buffer(backend):
    frame = backend.encode(X, "int8")
    assert isinstance(frame, bytearray)
    for form in (bytes(frame), memoryview(frame), np.frombuffer(frame, np.uint8)):
        assert np.array_equal(backend.decode(form), backend.decode(frame))
    decoded = backend.decode(frame)
    frame[:] = bytes(len(frame))
    assert decoded.any(), "a decoded tensor must not share memory with the frame"
