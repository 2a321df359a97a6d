"""What is special to the native back end: how its functions are called and what they take."""

from __future__ import annotations

import gc
import inspect
import platform
import pydoc
from pathlib import Path

import numpy as np
import pytest

from coinfer_kernels import ExitScores, FrameInfo
from coinfer_kernels import backend as backends
from coinfer_kernels.errors import BackendError

if "native" not in backends.available():
    pytest.skip("no extension", allow_module_level=True)

from coinfer_kernels.backend import native

BACKEND = backends.load("native")
ENCODINGS = ("raw", "fp16", "bf16", "int8", "int8-channel", "int4", "int4-channel",
             "int4-group32", "sparse-fp32", "sparse-fp16", "sparse-int8")  # fmt: skip
SIGNATURES = {
    "encode": "(x, encoding, out=None, crc=True)",
    "encode_batch": "(tensors, encoding, out=None, crc=True)",
    "decode": "(buffer, out=None)",
    "gather": "(frames, widths, out=None)",
    "verify": "(buffer)",
    "peek": "(buffer)",
    "crc32c": "(data, crc=0)",
    "exit_scores": "(logits, out=None, temperature=1.0, mask=None)",
    "should_exit": "(logits, rule, threshold, out=None, temperature=1.0, mask=None)",
    "feature_change": "(previous, current, kind, out=None, mask=None)",
    "count_agreement": "(previous, current, counts, patience, out=None, mask=None)",
}
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
FRAME = bytes(BACKEND.encode(X, "int8"))
LABELS = np.array([0, 1, 2])
MASK = np.array([True, False, True])


def arguments(name):
    """Every argument of a call that succeeds, by name; fresh ones where they are written to."""
    return {
        "encode": {"x": X, "encoding": "int8", "out": bytearray(200), "crc": False},
        "encode_batch": {"tensors": [X, X], "encoding": "int8", "out": bytearray(200), "crc": 0},
        "decode": {"buffer": FRAME, "out": np.empty((3, 4), np.float32)},
        "gather": {"frames": [FRAME, None], "widths": [4, 2], "out": np.empty((3, 6), np.float32)},
        "verify": {"buffer": FRAME},
        "peek": {"buffer": FRAME},
        "crc32c": {"data": FRAME, "crc": 7},
        "exit_scores": {"logits": X, "out": ExitScores.empty(3), "temperature": 2.0, "mask": None},
        "should_exit": {"logits": X, "rule": "margin", "threshold": 0.1, "out": np.empty(3, bool),
                        "temperature": 2.0, "mask": MASK},
        "feature_change": {"previous": X, "current": X[::-1].copy(), "kind": "l2",
                           "out": np.zeros(3, np.float32), "mask": MASK},
        "count_agreement": {"previous": LABELS, "current": LABELS,
                            "counts": np.zeros(3, np.int32), "patience": 1,
                            "out": np.empty(3, bool), "mask": MASK},
    }[name]  # fmt: skip


def plain(result):
    """A result as something that can be compared."""
    if isinstance(result, bytearray | memoryview):
        return bytes(result)
    if isinstance(result, np.ndarray):
        return result.tolist()
    return type(result), [plain(part) for part in result] if isinstance(result, list) else result


def test_the_functions_are_those_of_the_set_that_was_asked_for():
    for isa in BACKEND.instruction_set().isa_available:
        assert backends.load("native", isa).instruction_set().isa == isa


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists(),
    reason="reads the features of an x86-64 processor as Linux tells them",
)
def test_every_set_that_the_processor_has_is_found():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    v3 = {"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "pclmulqdq"}
    v4 = v3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "vpclmulqdq"}
    expected = [isa for isa, needs in (("avx512", v4), ("avx2", v3), ("sse2", set()))
                if needs <= flags]  # fmt: skip
    assert list(BACKEND.instruction_set().isa_available) == expected


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_can_be_inspected(name):
    function = getattr(BACKEND, name)
    assert str(inspect.signature(function)) == SIGNATURES[name]
    assert function.__name__ == name
    assert function.__module__ == "coinfer_kernels"
    assert "Parameters\n" in function.__doc__
    text = pydoc.plain(pydoc.render_doc(function))
    assert name + SIGNATURES[name] in text


@pytest.mark.parametrize("name", SIGNATURES)
def test_positions_and_keywords_mean_the_same(name):
    function = getattr(BACKEND, name)
    size = len(arguments(name))

    def call(positional):
        given = list(arguments(name).items())
        result = function(*(value for _, value in given[:positional]), **dict(given[positional:]))
        if isinstance(result, ExitScores):
            return [part.tolist() for part in result]
        return plain(result)

    assert all(call(positional) == call(size) for positional in range(size))
    # Keywords that were put together at run time are not interned.
    built = {"".join(list(key)): value for key, value in arguments(name).items()}
    function(**built)


@pytest.mark.parametrize("name", SIGNATURES)
def test_wrong_calls_are_type_errors(name):
    function, given = getattr(BACKEND, name), arguments(name)
    with pytest.raises(TypeError, match=rf"{name}\(\) takes at most {len(given)} arguments"):
        function(*given.values(), None)
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'size'"):
        function(**given, size=1)
    first = next(iter(given))
    with pytest.raises(TypeError, match=rf"{name}\(\) got multiple values for argument '{first}'"):
        function(*given.values(), **{first: None})
    with pytest.raises(TypeError, match=rf"{name}\(\) missing required argument '{first}'"):
        function()
    given.pop(first)
    with pytest.raises(TypeError, match=rf"missing required argument '{first}' \(pos 1\)"):
        function(**given)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_names_need_not_be_interned(encoding):
    built = "".join(list(encoding))
    assert BACKEND.encode(X, built) == BACKEND.encode(X, encoding)
    assert BACKEND.peek(BACKEND.encode(X, built)).encoding == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("spare", [0, 1, 100])
def test_every_kind_of_out_holds_the_same_frame(encoding, spare):
    expected = bytes(BACKEND.encode(X, encoding))
    size = BACKEND.encoded_size(X.shape, encoding) + spare
    whole = bytearray(size + 10)
    for out in (
        bytearray(size),
        memoryview(bytearray(size)),
        memoryview(whole)[3 : 3 + size],
        memoryview(bytearray(size)).cast("b"),
        memoryview(bytearray(size)).cast("c"),
        np.empty(size, np.uint8),
        np.empty(size, np.int8),
        np.empty((size, 2), np.uint8)[:, 0].copy(),
    ):
        frame = BACKEND.encode(X, encoding, out)
        assert isinstance(frame, memoryview)
        assert (frame.format, frame.ndim, frame.readonly) == ("B", 1, False)
        assert bytes(frame) == expected
        assert (frame.nbytes, frame.shape, frame.strides) == (len(expected), (len(expected),), (1,))
        assert frame.c_contiguous
        assert frame[-3:].tolist() == list(expected[-3:])
        assert frame == expected
        assert frame.cast("c")[len(expected) - 1] == expected[-1:]
        assert np.frombuffer(frame, np.uint8).size == len(expected)
        with pytest.raises(IndexError):
            frame[len(expected)]
        if not isinstance(out, memoryview):
            frame[0] ^= 1
            assert bytes(out)[0] == frame[0], "the view must be one of the caller's memory"
    assert whole[:3] == bytes(3)
    assert whole[3 + size :] == bytes(7)


def test_a_view_of_exactly_the_frame_is_returned_itself():
    out = memoryview(bytearray(BACKEND.encoded_size(X.shape, "int8")))
    assert BACKEND.encode(X, "int8", out) is out


def test_a_released_view_is_refused():
    out = memoryview(bytearray(200))
    out.release()
    with pytest.raises(ValueError, match="released"):
        BACKEND.encode(X, "int8", out)


def test_the_frame_keeps_its_memory_locked():
    out = bytearray(200)
    frame = BACKEND.encode(X, "int8", out)
    with pytest.raises(BufferError):
        out.clear()
    frame.release()
    out.clear()


def test_a_new_frame_can_be_resized():
    for encoding in ENCODINGS:
        frame = BACKEND.encode(X, encoding)
        frame.extend(b"more")
        frame.clear()


def test_float16_is_read_as_it_is():
    halves = X.astype(np.float16)
    for encoding in ENCODINGS:
        assert BACKEND.encode(halves, encoding) == BACKEND.encode(
            halves.astype(np.float32), encoding
        )


def test_torch_tensors_are_read_in_place():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X.copy())
    assert BACKEND.encode(tensor, "int8") == BACKEND.encode(X, "int8")
    assert BACKEND.encode(tensor.half(), "fp16") == BACKEND.encode(X, "fp16")
    assert BACKEND.should_exit(tensor, "margin", 0.0).all()
    with pytest.raises(RuntimeError, match="requires grad"):
        BACKEND.encode(tensor.requires_grad_(), "int8")


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.float16, np.array, int])
def test_numbers_of_every_kind(kind):
    expected = BACKEND.should_exit(X, "energy", -1.0)
    assert BACKEND.should_exit(X, "energy", kind(-1), temperature=kind(1)).tolist() == (
        expected.tolist()
    )


def test_decisions_may_replace_the_mask():
    wide = np.zeros(4, bool)
    for mask, out in ((wide[:3], wide[:3]), (wide[:3], wide[1:]), (wide[1:], wide[:3])):
        mask[:] = MASK
        assert BACKEND.should_exit(X, "margin", 0.0, out, 1.0, mask).tolist() == MASK.tolist()
        mask[:] = MASK
        counts = np.zeros(3, np.int32)
        decided = BACKEND.count_agreement(LABELS, LABELS, counts, 1, out, mask)
        assert decided.tolist() == MASK.tolist()
        assert counts.tolist() == MASK.tolist()


def test_peek_gives_the_tuple_of_the_other_back_ends():
    reference = backends.load("reference")
    for encoding in ENCODINGS:
        frame = BACKEND.encode(X, encoding)
        info = BACKEND.peek(frame[:64])
        assert type(info) is FrameInfo
        assert info == reference.peek(frame)
        assert [type(value) for value in info] == [type(v) for v in reference.peek(frame)]


def test_many_frames_are_gathered():
    frames = [BACKEND.encode(X + i, "raw") if i % 3 else None for i in range(40)]
    gathered = BACKEND.gather(frames, [4] * 40)
    for i in range(40):
        expected = X + i if i % 3 else np.zeros_like(X)
        assert np.array_equal(gathered[:, 4 * i : 4 * i + 4], expected)


class Unstable:
    """A width whose conversion changes the lists that are being read."""

    def __init__(self, *lists):
        self.lists = lists

    def __index__(self):
        for some in self.lists:
            some.clear()
        gc.collect()
        return 4


def test_arguments_that_change_meanwhile():
    frames, widths = [bytes(FRAME), bytes(FRAME)], [4]
    widths.insert(0, Unstable(frames, widths))
    assert BACKEND.gather(frames, widths).shape == (3, 8)


def test_an_extension_of_older_sources_is_one_clear_line(monkeypatch):
    older = dict.fromkeys(SIGNATURES)
    monkeypatch.setattr(native._native, "functions", lambda isa, docs: older)
    with pytest.raises(BackendError, match=r"older than the Python sources: run 'pip install -e"):
        native.create()
