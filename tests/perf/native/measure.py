"""Time of a native request with trivial stages over the raw ZeroMQ round trips that it contains.

``python tests/perf/native/measure.py [OUTPUT.json]``. Four devices run an identity each. As each
request starts, the same number of messages of the same size makes the same round trips between bare
sockets first, in the same processes' company: so both meet the same load. What that took is taken
off the request's latency.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zmq
from scipy import stats

from coinfer.cluster import Cluster, Device, Link
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import INPUT, Answer, Deployment, ModuleRef, Need, Replica, Stage
from coinfer.runtime.job import Load
from coinfer.runtime.realtime import RealtimeDriver
from coinfer.runtime.scenario import Scenario
from coinfer.training.modules import build
from coinfer_kernels import backend

DEVICES = 4
REQUESTS = 1000
WARM_UP = 100
MESSAGE_BYTES = 200
"""A packet with a frame of 16 numbers."""

PARTS = ("compute_ns", "serialise_ns", "link_ns", "queue_ns", "decide_ns")


class WaitForAll:
    """Answers when every device has sent its output."""

    def __init__(self, job):
        self.rows = job.rows
        self.left = DEVICES

    def on_arrival(self, arrival, ctx):
        self.left -= arrival.stage != INPUT
        return [] if self.left else [Answer(self.rows, self.rows)]

    def on_timer(self, token, ctx):
        return []

    def on_peer(self, device, alive, ctx):
        return []


class Raw:
    """Bare sockets and as many processes that send back what comes."""

    def __init__(self, folder):
        self.names = [f"e{i}".encode() for i in range(DEVICES)]
        endpoint = f"ipc://{folder}/raw"
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.bind(endpoint)
        script = Path(__file__).with_name("echo.py")
        command = [sys.executable, str(script), endpoint]
        self.peers = [subprocess.Popen([*command, name.decode()]) for name in self.names]
        for _ in self.names:
            self.socket.recv_multipart()
        self.message = bytes(MESSAGE_BYTES)
        self.took_ns = []

    def round_trips(self, _request):
        begin = time.monotonic_ns()
        for name in self.names:
            self.socket.send_multipart([name, self.message])
        for _ in self.names:
            self.socket.recv_multipart()
        self.took_ns.append(time.monotonic_ns() - begin)

    def close(self):
        for name, peer in zip(self.names, self.peers, strict=True):
            self.socket.send_multipart([name, b"end"])
            peer.wait()
        self.context.destroy(linger=0)


def scenario():
    names = [f"d{i}" for i in range(DEVICES)]
    identity = ModuleRef("torch.nn:Identity")
    stages = tuple(Stage(f"s{i}", identity, (Need(INPUT),), (16,), macs=1) for i in range(DEVICES))
    images = np.random.default_rng(0).normal(size=(REQUESTS, 16)).astype(np.float32)
    numbers = tuple(range(REQUESTS))
    return Scenario(
        deployment=Deployment(
            stages, tuple(Replica(s.id, d) for s, d in zip(stages, names, strict=True)), WaitForAll
        ),
        cluster=Cluster(
            devices=tuple(Device(name=n, macs_per_s=1e9) for n in names),
            links={"*": Link(up_bps=1e9, down_bps=1e9)},
            source_macs_per_s=1e9,
            heartbeat_timeout_ms=5000,
        ),
        load=Load(images, numbers, numbers, None, 60_000_000_000),
        faults=(),
        encoding="raw",
        backend=backend.load("native"),
        costs=load_cost_table(),
        seed=0,
    )


def main(output=None):
    with tempfile.TemporaryDirectory() as folder:
        raw = Raw(folder)
        try:
            driver = RealtimeDriver(scenario(), build, dilated=False, on_request=raw.round_trips)
            records = driver.run().records[WARM_UP:]
        finally:
            raw.close()
    raw_ns = np.array(raw.took_ns[WARM_UP:])
    # The raw round trips are made as the request starts, so they are in its latency.
    native_ns = np.array([r.answered_ns - r.intended_ns for r in records]) - raw_ns

    parts = {
        part.removesuffix("_ns"): np.array([getattr(r, part) for r in records]) for part in PARTS
    }
    # Time between the start of a step of the source and its work counts as compute.
    parts["compute"] -= raw_ns

    def ratio(native, bare):
        return np.median(native) / np.median(bare)

    around = stats.bootstrap(
        (native_ns, raw_ns), ratio, paired=True, vectorized=False, n_resamples=2000, rng=0
    ).confidence_interval
    found = {
        "command": "python tests/perf/native/measure.py",
        "devices": DEVICES,
        "requests": len(records),
        "ratio_of_medians": round(float(ratio(native_ns, raw_ns)), 3),
        "ratio_95_percent": [round(float(x), 3) for x in around],
        "native_median_us": round(float(np.median(native_ns)) / 1e3, 1),
        "raw_median_us": round(float(np.median(raw_ns)) / 1e3, 1),
        "median_us_by_part": {
            part: round(float(np.median(spent_ns)) / 1e3, 1) for part, spent_ns in parts.items()
        },
        "machine": platform.processor() or platform.machine(),
        "zeromq": zmq.zmq_version(),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if output is not None:
        Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
