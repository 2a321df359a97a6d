"""raw, fp16 and bf16: every bit is right, whatever the bits are."""

from __future__ import annotations

import numpy as np
import pytest


def test_raw_keeps_every_bit(backend):
    bits = np.array([0, 1, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00001, 0x7FA00000], np.uint32)
    for encoding in ("raw", "sparse-fp32"):
        decoded = backend.decode(backend.encode(bits.view(np.float32), encoding))
        assert decoded.view(np.uint32).tolist() == bits.tolist()


def hard_cases(every, rng):
    """All values of a narrow type, what lies between them, and random bits."""
    exact = np.sort(every[np.isfinite(every)])
    between = ((exact[:-1].astype(np.float64) + exact[1:]) / 2).astype(np.float32)
    below, above = (np.nextafter(between, np.float32(end)) for end in (-np.inf, np.inf))
    random = rng.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    return every, between, below, above, random


def assert_rounds(backend, encoding, x, expected):
    for name in (encoding, f"sparse-{encoding}"):
        if name == "sparse-bf16":
            continue
        decoded = backend.decode(backend.encode(x, name))
        number = ~np.isnan(x)
        assert np.array_equal(np.isnan(decoded), ~number)
        assert np.array_equal(decoded[number].view("u4"), expected[number].view("u4"))


def test_fp16_rounds_as_ieee_says(backend, rng):
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = np.array([65519.99, 65520, 65536, 2**-25, 2**-24 * 1.5, 2**-26, -(2**-25)], np.float32)
    for x in (*hard_cases(every, rng), ties):
        with np.errstate(over="ignore", invalid="ignore"):
            expected = x.astype(np.float16).astype(np.float32)
        assert_rounds(backend, "fp16", x, expected)


def bf16_by_float64(x):
    """Nearest number with eight significant bits, halves to even, by arithmetic in float64."""
    wide = x.astype(np.float64)
    _, exponent = np.frexp(wide)
    # Subnormals all have the last place of the smallest normal number.
    last = np.maximum(exponent, -125) - 8
    rounded = np.ldexp(np.rint(np.ldexp(wide, -last)), last)
    largest = float.fromhex("0x1.fep127")
    finite = np.where(np.abs(rounded) > largest, np.copysign(np.inf, rounded), rounded)
    return np.where(np.isfinite(wide), finite, wide).astype(np.float32)


def test_bf16_rounds_to_nearest_even(backend, rng):
    every = (np.arange(65536, dtype=np.uint32) << 16).view(np.float32)
    largest = np.finfo(np.float32).max
    ends = np.array([largest, -largest, 1e-45, -1e-45, 0.0, -0.0, 3.3961775e38], np.float32)
    with np.errstate(invalid="ignore"):
        for x in (*hard_cases(every, rng), ends):
            assert_rounds(backend, "bf16", x, bf16_by_float64(x))


@pytest.mark.parametrize("encoding", ["fp16", "sparse-fp16", "bf16"])
def test_nan_stays_nan_whatever_its_payload(backend, encoding):
    """One whose bits are all below those that are kept must not become infinite."""
    payloads = 1 << np.arange(23, dtype=np.uint32)
    bits = np.concatenate(
        [sign | payloads for sign in (np.uint32(0x7F800000), np.uint32(0xFF800000))]
    )
    decoded = backend.decode(backend.encode(bits.view(np.float32), encoding))
    assert np.isnan(decoded).all()


def test_bf16_is_what_torch_makes_of_it(backend, rng):
    torch = pytest.importorskip("torch")
    x = rng.integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32)
    x = x[~np.isnan(x)]
    frame = backend.encode(x, "bf16")
    theirs = torch.from_numpy(x).to(torch.bfloat16).view(torch.int16).numpy()
    assert bytes(frame)[64:] == theirs.tobytes()


def test_relative_errors(backend, rng):
    x = rng.standard_normal(65536, dtype=np.float32)
    for encoding, most in (("fp16", 2.0**-11), ("bf16", 2.0**-8)):
        decoded = backend.decode(backend.encode(x, encoding)).astype(np.float64)
        normal = np.abs(x) >= 2.0**-14
        assert (np.abs(decoded - x)[normal] <= most * np.abs(x[normal])).all()
        assert (np.abs(decoded - x)[normal] > 0.9 * most * np.abs(x[normal])).any()
