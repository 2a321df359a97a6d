"""What the native back end holds on to: nothing after a call, all that it needs during one."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time

import numpy as np
import pytest

from coinfer_kernels import ExitScores, FrameError, FrameInfo
from coinfer_kernels import backend as backends

if "native" not in backends.available():
    pytest.skip("no extension", allow_module_level=True)

BACKEND = backends.load("native")
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
FRAME = bytes(BACKEND.encode(X, "int8"))
LABELS = np.array([0, 1, 2])
MASK = np.array([True, False, True])
# Calls that succeed, with and without memory to write to.
CALLS = [
    ("encode", X, "int8"),
    ("encode", X.astype(np.float16), "sparse-int8", bytearray(200), False),
    ("encode", X, "int4-channel", memoryview(bytearray(200))),
    ("encode", X, "raw", memoryview(bytearray(64 + X.nbytes)).cast("c")),
    ("encode_batch", [X, X[:1]], "sparse-fp16"),
    ("encode_batch", (X, X[:1]), "int8", bytearray(200)),
    ("decode", FRAME),
    ("decode", memoryview(FRAME), np.empty((3, 4), np.float32)),
    ("gather", [FRAME, None], [4, 2]),
    ("gather", [bytearray(FRAME), None] * 8, (4, 2) * 8, np.empty((3, 48), np.float32)),
    ("verify", FRAME),
    ("peek", FRAME),
    ("crc32c", FRAME, 2**31),
    ("exit_scores", X),
    ("exit_scores", X.astype(np.float16), None, 2.0, MASK),
    ("exit_scores", X, ExitScores.empty(3), np.float32(2), MASK.tolist()),
    ("should_exit", X, "margin", 0.5),
    ("should_exit", X, "energy", np.float32(0.5), np.empty(3, bool), 2, MASK),
    ("feature_change", X, X[::-1].copy(), "l2"),
    ("feature_change", X, X, "cosine", np.zeros(3, np.float32), MASK),
    ("count_agreement", LABELS, LABELS, np.zeros(3, np.int32), 2),
    ("count_agreement", LABELS, LABELS, np.zeros(3, np.int32), 2, np.empty(3, bool), MASK),
]


def errors():
    """Calls that fail, each on another way, with the error that they give."""
    long = np.zeros((1, 1, 1, 1, 1), np.float32)
    damaged = FRAME[:-1] + bytes([FRAME[-1] ^ 1])
    infinite = np.full(3, np.inf, np.float32)
    return [
        (TypeError, "encode", (), {}),
        (TypeError, "encode", (X, "raw"), {"foo": 1}),
        (ValueError, "encode", (X, "int7"), {}),
        (TypeError, "encode", (X.astype(float), "raw"), {}),
        (ValueError, "encode", (long, "raw"), {}),
        (ValueError, "encode", (X, "raw", bytearray(4)), {}),
        (TypeError, "encode", (X, "raw", 3), {}),
        (ValueError, "encode", (X, "raw", memoryview(bytes(200))), {}),
        (ValueError, "encode", (infinite, "int8"), {}),
        (ValueError, "encode", (infinite, "int4-channel", bytearray(200)), {}),
        (ValueError, "encode_batch", ([X, infinite], "int8"), {}),
        (TypeError, "encode_batch", ([X, None], "int8"), {}),
        (ValueError, "encode_batch", ([X, X], "int8", bytearray(9)), {}),
        (TypeError, "decode", ("text",), {}),
        (FrameError, "decode", (FRAME[:50],), {}),
        (FrameError, "decode", (damaged,), {}),
        (ValueError, "decode", (FRAME, np.empty((4, 3), np.float32)), {}),
        (FrameError, "verify", (damaged,), {}),
        (FrameError, "peek", (b"",), {}),
        (FrameError, "gather", ([FRAME, damaged], [4, 4]), {}),
        (ValueError, "gather", ([FRAME, FRAME], [4]), {}),
        (ValueError, "gather", ([FRAME, FRAME], [4, -4]), {}),
        (ValueError, "gather", ([FRAME, FRAME], [4, 5]), {}),
        (ValueError, "gather", ([None], [4]), {}),
        (TypeError, "gather", ([FRAME], [4.0]), {}),
        (TypeError, "gather", ([FRAME], [4], [1]), {}),
        (TypeError, "crc32c", ("text",), {}),
        (ValueError, "crc32c", (b"", -1), {}),
        (ValueError, "exit_scores", (X[0],), {}),
        (TypeError, "exit_scores", (X, (1,)), {}),
        (ValueError, "exit_scores", (X,), {"temperature": 0}),
        (ValueError, "exit_scores", (X,), {"mask": MASK[:2]}),
        (ValueError, "should_exit", (X, "best", 1.0), {}),
        (ValueError, "should_exit", (X, "margin", float("nan")), {}),
        (TypeError, "should_exit", (X, "margin", []), {}),
        (TypeError, "should_exit", (X, "margin", 1.0, LABELS), {}),
        (ValueError, "feature_change", (X, X[:2], "l2"), {}),
        (ValueError, "feature_change", (X, X, "l1"), {}),
        (TypeError, "count_agreement", (LABELS, LABELS, LABELS, 1), {}),
        (ValueError, "count_agreement", (LABELS, LABELS, np.zeros(3, np.int32), 0), {}),
        (ValueError, "count_agreement", (LABELS, LABELS[:2], np.zeros(3, np.int32), 1), {}),
    ]


LEAK_RUNS = 1000


def check_for_leaks(call, held):
    """Run `call` often: neither objects nor references to what it is given may pile up.

    Both numbers change by a few in between, because of caches and of what everyone uses (None).
    """

    def run(times):
        for _ in range(times):
            call()
        gc.collect()

    run(20)
    references = [sys.getrefcount(thing) for thing in held]
    blocks = sys.getallocatedblocks()
    run(LEAK_RUNS)
    assert sys.getallocatedblocks() - blocks < LEAK_RUNS / 2
    kept = [sys.getrefcount(thing) - count for thing, count in zip(held, references, strict=True)]
    assert max(map(abs, kept)) < LEAK_RUNS / 2, kept


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_calls_do_not_leak(call):
    name, *positional = call
    function = getattr(BACKEND, name)
    held = [function, *positional, None, True, np.dtype(np.float32), FrameInfo, ExitScores]
    check_for_leaks(lambda: function(*positional), held)


@pytest.mark.parametrize(("error", "name", "positional", "named"), errors())
def test_refusals_do_not_leak(error, name, positional, named):
    function = getattr(BACKEND, name)

    def call():
        try:
            function(*positional, **named)
        except error:
            return
        raise AssertionError("should have been refused")

    check_for_leaks(call, [function, *positional, *named.values(), None, np.dtype(np.float32)])


def test_functions_do_not_leak():
    from coinfer_kernels import _native
    from coinfer_kernels.backend.protocol import DOCUMENTED

    docs = {"peek": "text"} | dict.fromkeys(DOCUMENTED, "text")

    def call():
        made = _native.functions(_native.isa_available()[0], docs)
        encode = made["encode"]
        del made
        assert encode.__doc__ == "text"
        assert encode(X, "int8") == FRAME

    check_for_leaks(call, [ExitScores, FrameInfo, np.dtype(np.float32)])


class Attacker(threading.Thread):
    """Does what would pull the memory away from under a call, until it has been refused once."""

    def __init__(self, attack):
        super().__init__(daemon=True)
        self.attack = attack
        self.refused = False

    def run(self):
        while not self.refused:
            try:
                self.attack()
            except BufferError:
                self.refused = True


def run_under(attack, call):
    """Repeat `call` until the attack came in the middle of one and was refused."""
    attacker = Attacker(attack)
    attacker.start()
    deadline = time.monotonic() + 30
    while not attacker.refused and time.monotonic() < deadline:
        call()
    refused = attacker.refused
    attacker.refused = True
    attacker.join()
    assert refused


# Large enough that the interpreter lock is released.
LARGE = np.random.default_rng(0).standard_normal((256, 1024)).astype(np.float32)


def test_a_frame_cannot_be_resized_while_it_is_read():
    frame = BACKEND.encode(LARGE, "fp16")
    expected = BACKEND.decode(frame)
    out = np.empty_like(LARGE)

    def attack():
        frame.append(0)
        frame.pop()

    def call():
        with contextlib.suppress(FrameError):  # it came between the two lines of the attack
            BACKEND.decode(frame, out)
            assert np.array_equal(out, expected)

    run_under(attack, call)


def test_a_view_cannot_be_released_while_it_is_written():
    expected = bytes(BACKEND.encode(LARGE, "fp16"))
    views = [memoryview(bytearray(len(expected)))]

    def call():
        try:
            assert BACKEND.encode(LARGE, "fp16", views[0]) is views[0]
        except ValueError:  # it came between two calls
            views[0] = memoryview(bytearray(len(expected)))

    run_under(lambda: views[0].release(), call)
