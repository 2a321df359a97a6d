"""Kernels beside memcpy, an empty call and their peers; `make bench-kernels` runs all of it.

Peers come first, so that the best of them is known when the kernel is measured. Ratios are time of
the kernel over time of the other: below one, the kernel is faster.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from bursts import Burst, Call, clock, copying, loop, measure, median_ratio
from inputs import memory
from peers import affine, confidence, dense, messages, registry, sparse  # noqa: F401
from tasks import Task, call, subjects, tasks

from coinfer_kernels import backend

YARDSTICK_S = 100e-6
TASKS = list(tasks())
RIVALS = [
    pytest.param(task, peer, id=f"{task.kernel}-{task.size}-{peer.name}")
    for task in TASKS
    for peer in registry.peers_of(task.kernel)
]
OURS = [
    pytest.param(task, name, isa, id=f"{task.kernel}-{task.size}-{isa or name}")
    for task in TASKS
    for name, isa in subjects()
]
pytestmark = [
    pytest.mark.benchmark(timer=clock, disable_gc=True),
    pytest.mark.usefixtures("one_cpu"),
]


@pytest.fixture(scope="module")
def measured() -> dict[Task, dict[str, tuple[Burst, float]]]:
    """Bursts of the peers and their ratios to memcpy, for the kernels that come after them."""
    return defaultdict(dict)


def memcpy_of(task: Task) -> Burst:
    source = memoryview(task.copied()).cast("B")
    return Burst(copying(source, memoryview(memory(source.nbytes))), YARDSTICK_S)


def empty_call() -> Burst | None:
    """Time a function of the extension that does nothing; None where it is not built."""
    try:
        from coinfer_kernels._native import empty
    except ImportError:
        return None
    return Burst(loop(Call(empty)), YARDSTICK_S)


def note(benchmark, task, name, isa, role, seconds):
    """Say what was measured; `seconds` are those of the memcpy, round by round."""
    benchmark.group = f"{task.kernel}, {task.size}"
    benchmark.extra_info.update(
        kernel=task.kernel, size=task.size, backend=name, isa=isa, role=role,
        best_peer=None, ratio_to_best_peer=None,
    )  # fmt: skip
    if benchmark.stats is None:
        return None
    data = benchmark.stats.stats.data
    ratio = median_ratio(data, seconds)
    benchmark.extra_info["ratio_to_memcpy"] = ratio
    benchmark.extra_info["memcpy_ns"] = [round(1e9 * memcpy, 2) for memcpy in seconds]
    return ratio


@pytest.mark.parametrize(("task", "peer"), RIVALS)
def test_peer(benchmark, measured, task, peer):
    made = peer.make(task.kernel, *peer_inputs(task))
    burst = Burst(loop(made.call))
    (copies,) = measure(benchmark, burst, [memcpy_of(task)])
    ratio = note(benchmark, task, peer.name, None, "peer", copies)
    if ratio is not None:
        measured[task][peer.name] = burst, ratio


@pytest.mark.parametrize(("task", "name", "isa"), OURS)
def test_kernel(benchmark, measured, task, name, isa):
    kernels = backend.load(name, isa)
    to_time = call(task, kernels, task.inputs())
    if to_time is None:
        pytest.skip(f"{name} has no {task.kernel}")
    peers = measured[task]
    best = min(peers, key=lambda peer: peers[peer][1], default=None)
    beside = {"memcpy": memcpy_of(task)}
    if task.small and (empty := empty_call()) is not None:
        beside["empty call"] = empty
    if best is not None:
        beside[best] = peers[best][0]
    seconds = measure(benchmark, Burst(loop(to_time)), [*beside.values()])
    taken = dict(zip(beside, seconds, strict=True))
    ratio = note(benchmark, task, name, isa, "kernel", taken["memcpy"])
    if ratio is None:
        return
    data, info = benchmark.stats.stats.data, benchmark.extra_info
    ratios = {peer: ratio / of_memcpy for peer, (_, of_memcpy) in peers.items()}
    ratios |= {other: median_ratio(data, seconds) for other, seconds in taken.items()}
    info["ratios"] = ratios
    info["ratio_to_empty_call"] = ratios.get("empty call")
    info["best_peer"] = best
    info["best_peer_ns"] = [round(1e9 * one, 2) for one in taken.get(best, ())]
    info["ratio_to_best_peer"] = ratios.get(best)
    if task.target() is not None and name == "native":
        info["target"] = task.target()._asdict()


def peer_inputs(task: Task):
    inputs = task.inputs()
    return (inputs,) if task.kernel.startswith("gather") else inputs
