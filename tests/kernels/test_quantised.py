"""Affine encodings: half a step in each scope, against float64 and each scope by itself."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coinfer_kernels import peek

TINY = np.finfo(np.float32).tiny
LARGEST = np.finfo(np.float32).max
STEPS = {8: 255, 4: 15}
QUANTISED = ("int8", "int8-channel", "int4", "int4-channel", "int4-group32", "sparse-int8")
SHAPES = [(), (1,), (31,), (32,), (33,), (1000,), (1, 1), (3, 7), (8, 33), (65, 3), (1, 257),
          (2, 3, 5), (4, 16, 1), (4, 16, 9), (2, 5, 3, 7), (3, 1, 4, 4), (2, 40, 1, 1)]  # fmt: skip


@pytest.fixture(params=QUANTISED)
def encoding(request):
    return request.param


def steps_of(encoding):
    return STEPS[8 if "int8" in encoding else 4]


def scopes(x, encoding):
    """For each element of the flattened tensor the scope that it belongs to, by the definition."""
    if "group" in encoding:
        return np.arange(x.size) // 32
    if "channel" in encoding and x.ndim >= 2:
        return np.broadcast_to(
            np.arange(x.shape[1]).reshape(-1, *[1] * (x.ndim - 2)), x.shape
        ).reshape(-1)
    return np.zeros(x.size, int)


def exact_steps(x, encoding):
    """Size of a step for each element, in float64."""
    of, flat = scopes(x, encoding), x.reshape(-1).astype(np.float64)
    steps = np.zeros(x.size)
    for scope in np.unique(of):
        inside = flat[of == scope]
        width = max(inside.max(), 0) - min(inside.min(), 0)
        steps[of == scope] = max(width / steps_of(encoding), TINY)
    return steps.reshape(x.shape)


def spread_out(rng, shape, scale, shift):
    """Values whose scopes have very different ranges; some are zero."""
    x = (rng.standard_normal(shape).clip(-4, 4) + shift) * scale
    x = x * np.exp(rng.standard_normal((1, *shape[1:2], *[1] * (len(shape) - 2)))[0])
    x = np.asarray(x.reshape(shape), np.float32)
    x.reshape(-1)[::5] = 0
    return x


def test_errs_by_half_a_step_and_keeps_zero(backend, rng, encoding):
    for shape in SHAPES:
        for scale in (1.0, 1e-30, 1e30, LARGEST / 4096):
            for shift in (-3.0, 0.0, 0.5, 3.0):
                x = spread_out(rng, shape, scale, shift)
                decoded = backend.decode(backend.encode(x, encoding)).astype(np.float64)
                error = np.abs(decoded - x)
                assert (error <= 0.5001 * exact_steps(x, encoding)).all(), (shape, scale, shift)
                assert (decoded[x == 0] == 0).all()


def test_the_extremes_of_a_scope_are_met_within_half_a_step(backend, rng, encoding):
    x = spread_out(rng, (6, 40), 1.0, 0.0)
    decoded = backend.decode(backend.encode(x, encoding)).reshape(-1)
    of, steps = scopes(x, encoding), exact_steps(x, encoding).reshape(-1)
    for scope in np.unique(of):
        for extreme in (np.min, np.max):
            apart = extreme(decoded[of == scope]) - extreme(x.reshape(-1)[of == scope])
            assert abs(apart) <= 0.5001 * steps[of == scope][0]


def apart(x, encoding):
    """The scopes of a tensor, each one by itself and flat."""
    of = scopes(x, encoding)
    return [x.reshape(-1)[of == scope] for scope in np.unique(of)]


@pytest.mark.parametrize("encoding", ["int8-channel", "int4-channel", "int4-group32"])
def test_a_table_holds_what_each_scope_has_by_itself(backend, rng, encoding):
    for shape in SHAPES:
        x = spread_out(rng, shape, 1.0, 0.3)
        frame = bytes(backend.encode(x, encoding))
        info = peek(frame)
        whole = backend.decode(frame).reshape(-1)
        of = scopes(x, encoding)
        alone = [backend.encode(part, encoding.split("-")[0]) for part in apart(x, encoding)]
        assert info.table_bytes == 5 * len(alone)
        scales = struct.unpack_from(f"<{len(alone)}f", frame, 64)
        signed = "b" if "int8" in encoding else "B"
        zero_points = struct.unpack_from(f"{len(alone)}{signed}", frame, 64 + 4 * len(alone))
        for scope, single in enumerate(alone):
            assert scales[scope] == peek(single).scale
            assert zero_points[scope] == peek(single).zero_point
            assert np.array_equal(whole[of == scope], backend.decode(single))
        assert (info.scale, info.zero_point) == (0, 0)
        assert info.parameter == (32 if "group" in encoding else min(max(x.ndim - 1, 0), 1))


def test_nibbles_lie_low_half_first(backend):
    for shape, values in (((5,), [0, 15, 7, 8, 3]), ((6,), [15, 0, 1, 14, 8, 9])):
        x = np.array(values, np.float32).reshape(shape)  # scale 1: the values are the steps
        frame = bytes(backend.encode(x, "int4"))
        padded = [*values, 0][: len(values) + len(values) % 2]
        packed = [low | high << 4 for low, high in zip(padded[::2], padded[1::2], strict=True)]
        assert list(frame[64:]) == packed
        assert backend.decode(frame).tolist() == values
    # Across the border between two channels, too.
    x = np.array([[[1, 15, 3], [30, 0, 20]]], np.float32)
    assert list(bytes(backend.encode(x, "int4-channel"))[74:]) == [0xF1, 0xF3, 0xA0]


def test_rounds_half_to_even(backend):
    x = np.array([0, 255, 0.5, 1.5, 2.5, 126.5, 127.5, 253.5], np.float32)
    for encoding in ("int8", "int8-channel"):
        decoded = backend.decode(backend.encode(x, encoding))
        assert decoded.tolist() == [0, 255, 0, 2, 2, 126, 128, 254]
    x = np.array([0, 15, 0.5, 1.5, 2.5, 7.5, 13.5, 14.5], np.float32)
    for encoding in ("int4", "int4-channel", "int4-group32"):
        decoded = backend.decode(backend.encode(x, encoding))
        assert decoded.tolist() == [0, 15, 0, 2, 2, 8, 14, 14]


ENDS = [[0.0], [-0.0], [1e-45, -1e-45], [TINY], [5.0], [-5.0], [LARGEST], [-LARGEST], [3e-39, 0.0],
        [LARGEST, 1e-45], [-1e-45, 3e38], [-1.7e38, 1.7e38]]  # fmt: skip


@pytest.mark.parametrize("x", ENDS)
def test_the_ends_of_the_range(backend, reference, x, encoding):
    array = np.array(x, np.float32)
    frame = backend.encode(array, encoding)
    assert bytes(frame) == bytes(reference.encode(array, encoding))
    decoded = backend.decode(frame)
    assert np.isfinite(decoded).all()
    error = np.abs(decoded.astype(np.float64) - array)
    assert (error <= exact_steps(array, encoding) * 0.5001).all()


def test_an_empty_scope_has_the_smallest_step(backend):
    for shape in ((0, 3), (2, 3, 0)):
        for encoding, zero_point in (("int8-channel", 0x80), ("int4-channel", 0)):
            frame = bytes(backend.encode(np.empty(shape, np.float32), encoding))
            assert frame[64:] == struct.pack("<3f3B", *[2.0**-126] * 3, *[zero_point] * 3)


# Two scopes that are too wide: places and values of the first one, then of the second one.
TOO_WIDE = {
    ("int8-channel", (2, 5)): {(0, 1): -2e38, (1, 1): 3e38, (0, 3): -3e38, (1, 3): 3e38},
    ("int4-channel", (2, 5, 9)): {(0, 1, 8): -2e38, (1, 1, 0): 3e38, (0, 3): -3e38, (1, 3): 3e38},
    ("int4-group32", (130,)): {33: -2e38, 63: 3e38, 128: -3e38, 129: 3e38},
}


@pytest.mark.parametrize(("encoding", "shape"), TOO_WIDE)
def test_what_is_not_finite_is_named_before_what_is_too_wide(backend, encoding, shape):
    x = np.ones(shape, np.float32)
    for place, value in TOO_WIDE[encoding, shape].items():
        x[place] = value
    with pytest.raises(ValueError, match=f"^{encoding} cannot span -2e[+]38 to 3e[+]38"):
        backend.encode(x, encoding)
    for place in (0, -1):
        with_nan = x.copy()
        with_nan.reshape(-1)[place] = np.nan
        with pytest.raises(ValueError, match=f"^{encoding} cannot encode x: it has a NaN"):
            backend.encode(with_nan, encoding)


def test_a_range_beyond_float32_is_refused(backend, encoding):
    x = np.array([-3e38, 3e38], np.float32)
    expected = f"{encoding} cannot span -3e[+]38 to 3e[+]38: the range overflows float32"
    with pytest.raises(ValueError, match=expected):
        backend.encode(x, encoding)


def test_what_does_not_share_a_scale_may_span_more(backend):
    apart = np.array([[-3e38, 3e38], [-3e38, 0]], np.float32)
    assert np.isfinite(backend.decode(backend.encode(apart, "int8-channel"))).all()
    assert np.isfinite(backend.decode(backend.encode(apart, "int4-channel"))).all()
    groups = np.repeat(np.array([-3e38, 3e38], np.float32), 32)
    assert np.isfinite(backend.decode(backend.encode(groups, "int4-group32"))).all()


# Relative L2 error on ReLU feature maps whose channels differ in scale, as measured in float64.
ERRORS = {
    "int8": (0.004, 0.04),
    "int8-channel": (0.002, 0.006),
    "int4": (0.08, 0.4),
    "int4-channel": (0.04, 0.09),
    "int4-group32": (0.02, 0.06),
    "sparse-int8": (0.004, 0.04),
}


def test_errors_on_features_are_as_documented(backend, rng, encoding):
    x = np.maximum(rng.standard_normal((8, 64, 8, 8)), 0)
    x = (x * np.exp(0.7 * rng.standard_normal((1, 64, 1, 1)))).astype(np.float32)
    decoded = backend.decode(backend.encode(x, encoding)).astype(np.float64)
    error = np.linalg.norm(decoded - x) / np.linalg.norm(x.astype(np.float64))
    least, most = ERRORS[encoding]
    assert least <= error <= most


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    x=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=9),
        elements=st.floats(-(2.0**126), 2.0**126, width=32) | st.floats(-1, 1, width=32),
    )
)
def test_half_a_step_for_anything(backend, encoding, x):
    decoded = backend.decode(backend.encode(x, encoding)).astype(np.float64)
    assert (np.abs(decoded - x) <= 0.5001 * exact_steps(x, encoding)).all()
    assert (decoded[x == 0] == 0).all()
    assert not np.signbit(decoded[x == 0]).any() or encoding == "sparse-int8"


def test_encoding_again_changes_little(backend, rng, encoding):
    """What a relay does: it decodes, and encodes what it got."""
    x = spread_out(rng, (16, 24), 1.0, 0.5)
    once = backend.decode(backend.encode(x, encoding))
    again = backend.decode(backend.encode(once, encoding))
    assert math.isclose(
        np.abs(again - once).max(), 0, abs_tol=0.51 * exact_steps(x, encoding).max()
    )
