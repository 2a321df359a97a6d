"""A peer that does something else is no peer: each result is held against the library's."""

from __future__ import annotations

import numpy as np
import pytest
from inputs import logits
from peers import affine, confidence, dense, messages, registry, sparse  # noqa: F401
from peers.wire import quantised
from tasks import THRESHOLD, Task

from coinfer_kernels import backend

REFERENCE = backend.load("reference")
KERNELS = [
    (task, peer)
    for task in (
        *(Task(kernel, 4096) for kernel in registry.kernels() if "_" not in kernel.split()[0]),
        Task("feature_change l2", 4096),
        *(Task(kernel, size) for kernel in ("exit_scores", "should_exit")
          for size in ("1x10", "1024x10", "32x100")),
    )
    for peer in registry.peers_of(task.kernel)
]  # fmt: skip


def expected(task, inputs):
    """What the reference gives, as one array, and how far a peer may be off."""
    verb, _, encoding = task.kernel.partition(" ")
    if verb == "crc32c":
        return np.array(REFERENCE.crc32c(*inputs)), 0
    if verb == "exit_scores":
        return np.array(REFERENCE.exit_scores(*inputs)), 2e-5
    if verb == "should_exit":
        return REFERENCE.should_exit(*inputs, "max-prob", THRESHOLD), 0
    if verb == "feature_change":
        return REFERENCE.feature_change(*inputs, "l2"), 1e-5
    if verb == "gather":
        parts = [REFERENCE.decode(REFERENCE.encode(part, "int8")) for part in inputs]
        return np.concatenate(parts, axis=1), 1e-6
    (x,) = inputs
    if verb == "decode":
        return REFERENCE.decode(REFERENCE.encode(x, encoding)), 1e-6
    if encoding == "bf16":
        return REFERENCE.decode(REFERENCE.encode(x, encoding)).view(np.uint32) >> 16, 0
    kept = x[x != 0] if encoding.startswith("sparse") else x
    if "int" in encoding:
        return quantised(x, encoding)[0] if "sparse" not in encoding else kept_codes(kept), 1
    return kept.astype(np.float16 if encoding.endswith("fp16") else np.float32), 0


def kept_codes(kept):
    return quantised(kept, "int8")[0]


@pytest.mark.parametrize(
    ("task", "peer"), [pytest.param(t, p, id=f"{t.kernel}-{t.size}-{p.name}") for t, p in KERNELS]
)
def test_peer_does_what_the_kernel_does(task, peer):
    inputs = task.inputs()
    made = peer.make(task.kernel, *((inputs,) if task.kernel.startswith("gather") else inputs))
    made.call.function(*made.call.arguments)
    found = np.asarray(made.result(), dtype=np.float64).ravel()
    wanted, off = expected(task, inputs)
    wanted = np.asarray(wanted, dtype=np.float64).ravel()
    if peer.name == "blosc2":
        wanted = task.inputs()[0].ravel()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=off if off < 1 else 0, atol=off)


def test_logits_decide_both_ways():
    decided = REFERENCE.should_exit(logits("1024x10"), "max-prob", THRESHOLD)
    assert decided.any()
    assert not decided.all()
