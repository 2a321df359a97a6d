"""Kernels beside their peers, each as a ratio to a memcpy of the same float32 bytes.

pytest tests/perf/test_kernels.py --benchmark-only --benchmark-columns=median,iqr
"""

from __future__ import annotations

import statistics
import struct
import timeit

import numpy as np
import pytest

from coinfer_kernels import ExitScores, encoded_size
from coinfer_kernels import backend as backends

SIZES = (64, 4096, 65536)
LOGITS = ((1, 10), (32, 100), (1024, 10), (256, 1000))


def memcpy_seconds(count):
    """Median of a plain copy of `count` floats, measured now: machines drift."""
    source, target = bytes(4 * count), memoryview(bytearray(4 * count))
    timer = timeit.Timer(lambda: target.__setitem__(slice(None), source))
    loops = max(10, 200_000 // count)
    return statistics.median(timer.repeat(9, loops)) / loops


def measure(benchmark, kernel, peer, count, function):
    benchmark.group = f"{kernel}, {count} floats"
    copy = memcpy_seconds(count)
    benchmark(function)
    isa = getattr(peer, "instruction_set", None)
    benchmark.extra_info.update(kernel=kernel, size=count, backend=getattr(peer, "name", peer))
    benchmark.extra_info["isa"] = isa().isa if isa else None
    if benchmark.stats is not None:
        benchmark.extra_info["ratio_to_memcpy"] = benchmark.stats.stats.median / copy


@pytest.fixture(params=backends.available())
def backend(request):
    return backends.load(request.param)


def features(count):
    """Make ReLU features, about half of them zero."""
    x = np.random.default_rng(1).standard_normal((1, count), np.float32)
    return np.maximum(x, 0)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("encoding", ["raw", "fp16", "int8"])
def test_encode(benchmark, backend, encoding, count):
    x = features(count)
    out = bytearray(encoded_size(x.shape, encoding))
    measure(
        benchmark, f"encode {encoding}", backend, count, lambda: backend.encode(x, encoding, out)
    )


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("encoding", ["raw", "fp16", "int8"])
def test_decode(benchmark, backend, encoding, count):
    out = np.empty((1, count), np.float32)
    frame = backend.encode(features(count), encoding)
    measure(benchmark, f"decode {encoding}", backend, count, lambda: backend.decode(frame, out))


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("encoding", ["raw", "fp16", "int8"])
def test_encode_by_hand_in_numpy(benchmark, encoding, count):
    """What one writes without a library: no checksum, no checks."""
    x = features(count)

    def by_hand():
        scale = 1.0
        if encoding == "int8":
            low, high = x.min(), x.max()
            scale = (high - low) / 255
            payload = np.rint((x - low) / scale - 128).astype(np.int8)
        else:
            payload = x.astype(np.float16) if encoding == "fp16" else x
        return struct.pack("<4sIIIf44x", b"hand", 1, *x.shape, scale) + payload.tobytes()

    measure(benchmark, f"encode {encoding}", "numpy by hand", count, by_hand)


@pytest.mark.parametrize("shape", LOGITS)
def test_exit_scores(benchmark, backend, shape):
    logits = np.random.default_rng(1).standard_normal(shape, np.float32)
    out = ExitScores.empty(shape[0])
    kernel = f"exit_scores {shape[0]}x{shape[1]}"
    measure(benchmark, kernel, backend, logits.size, lambda: backend.exit_scores(logits, out))


@pytest.mark.parametrize("shape", LOGITS)
def test_max_prob_by_hand_in_numpy(benchmark, shape):
    """The largest probability alone: a fifth of what exit_scores gives."""
    logits = np.random.default_rng(1).standard_normal(shape, np.float32)

    def by_hand():
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return 1 / shifted.sum(axis=1)

    kernel = f"exit_scores {shape[0]}x{shape[1]}"
    measure(benchmark, kernel, "numpy max-prob", logits.size, by_hand)


@pytest.mark.parametrize("count", SIZES)
def test_feature_change(benchmark, backend, count):
    p = features(count)
    c = p + np.float32(0.01)
    measure(
        benchmark, "feature_change l2", backend, count, lambda: backend.feature_change(p, c, "l2")
    )
