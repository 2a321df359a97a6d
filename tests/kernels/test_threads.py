"""Several threads at once, on tensors large enough that the interpreter lock is released."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from coinfer_kernels import ExitScores, FrameError

THREADS = 4
ROUNDS = 6


def in_threads(*works):
    """Run each function in a thread of its own, all from the same moment; raise what they raise."""
    start, failures = threading.Barrier(len(works)), []

    def run(work):
        try:
            start.wait()
            for _ in range(ROUNDS):
                work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_frames_in_several_threads(backend, rng, encoding):
    tensors = [rng.standard_normal((5 + i, 64, 7, 11), dtype=np.float32) for i in range(THREADS)]
    tensors = [np.maximum(x, 0) for x in tensors]
    frames = [bytes(backend.encode(x, encoding)) for x in tensors]
    decoded = [backend.decode(frame) for frame in frames]

    def work(i):
        out, room = (
            np.empty_like(tensors[i]),
            bytearray(backend.encoded_size(tensors[i].shape, encoding)),
        )

        def body():
            assert bytes(backend.encode(tensors[i], encoding)) == frames[i]
            assert bytes(backend.encode(tensors[i], encoding, room)) == frames[i]
            # The same frame is read by several threads.
            assert np.array_equal(backend.decode(frames[0]), decoded[0])
            assert np.array_equal(backend.decode(frames[i], out), decoded[i])
            assert [bytes(f) for f in backend.encode_batch(tensors[:2], encoding)] == frames[:2]

        return body

    in_threads(*map(work, range(THREADS)))


def test_refusals_in_several_threads(backend, rng):
    x = rng.standard_normal((40, 1000), dtype=np.float32)
    good = bytes(backend.encode(x, "int8"))
    bad = bytearray(good)
    bad[-1] ^= 1
    expected = backend.decode(good)
    x[7, 7] = np.nan

    def refuse():
        with pytest.raises(FrameError, match="crc"):
            backend.decode(bad)
        with pytest.raises(ValueError, match="NaN"):
            backend.encode(x, "int8-channel")

    def accept():
        assert np.array_equal(backend.decode(good), expected)

    in_threads(refuse, accept, refuse, accept)


def test_gathering_and_deciding_in_several_threads(backend, rng):
    parts = [rng.standard_normal((60, 500), dtype=np.float32) for _ in range(3)]
    frames = [bytes(backend.encode(x, "int8-channel")) for x in parts]
    whole = backend.gather(frames, [500] * 3)
    mask = rng.random(60) < 0.5
    scores = backend.exit_scores(whole, None, 1.5, mask)
    decisions = backend.should_exit(whole, "margin", 0.01, None, 1.5, mask)
    changes = backend.feature_change(parts[0], parts[1], "cosine")

    def body():
        assert np.array_equal(backend.gather(frames, [500] * 3), whole)
        for ours, expected in zip(
            backend.exit_scores(whole, ExitScores.none(60), 1.5, mask), scores, strict=True
        ):
            assert np.array_equal(ours, expected, equal_nan=True)
        assert np.array_equal(
            backend.should_exit(whole, "margin", 0.01, None, 1.5, mask), decisions
        )
        assert np.array_equal(backend.feature_change(parts[0], parts[1], "cosine"), changes)
        assert backend.crc32c(frames[0]) == backend.crc32c(bytes(frames[0]))

    in_threads(*[body] * THREADS)


def test_counting_in_several_threads_keeps_rows_apart(backend, rng):
    labels = rng.integers(0, 5, 80000)
    counts = np.zeros((THREADS, 80000), np.int32)

    def work(i):
        return lambda: backend.count_agreement(labels, labels, counts[i], 1)

    in_threads(*map(work, range(THREADS)))
    assert (counts == ROUNDS).all()
