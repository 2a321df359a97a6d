"""What CURVE adds to a round trip between host and board: ``curve.py [OUTPUT.json]``.

Two peers in processes of their own send back what comes over TCP on the loopback interface, one in
the clear and one with CURVE and its keys. Round trips with each take turns, size by size, so both
meet the same load. A board with a slower processor pays more, by as much as it is slower.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import sys
import time
from pathlib import Path

import numpy as np
import zmq
from scipy import stats

ROUNDS = 2000
WARM_UP = 200
SIZES = {"a packet with 16 numbers": 200, "an image": 3_136, "a batch of 64 images": 200_704}


def echo(endpoint, keys):
    """Send back what comes until it is empty; `keys` are the server's public one and its own."""
    socket = zmq.Context().socket(zmq.DEALER)
    if keys:
        socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = keys
    socket.connect(endpoint)
    socket.send(b"ready")
    while message := socket.recv():
        socket.send(message)


class Peer:
    """A process that sends back, in the clear or with CURVE."""

    def __init__(self, secured):
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        keys = None
        if secured:
            public, secret = zmq.curve_keypair()
            self.socket.curve_secretkey, self.socket.curve_server = secret, True
            keys = (public, *zmq.curve_keypair())
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        endpoint = f"tcp://127.0.0.1:{port}"
        process = multiprocessing.get_context("spawn").Process(target=echo, args=(endpoint, keys))
        process.start()
        self.process = process
        self.name, _ = self.socket.recv_multipart()

    def round_trip_ns(self, message):
        begin = time.perf_counter_ns()
        self.socket.send_multipart([self.name, message])
        self.socket.recv_multipart()
        return time.perf_counter_ns() - begin

    def end(self):
        self.socket.send_multipart([self.name, b""])
        self.process.join()


def measure(clear, secured, size):
    """Medians of both, and what CURVE adds, with the 95 % interval of the median."""
    message = bytes(size)
    taken = np.array(
        [(clear.round_trip_ns(message), secured.round_trip_ns(message)) for _ in range(ROUNDS)]
    )[WARM_UP:]
    added_us = (taken[:, 1] - taken[:, 0]) / 1e3
    around = stats.bootstrap(
        (added_us,), np.median, n_resamples=999, method="basic"
    ).confidence_interval
    plain_us, curve_us = np.median(taken, axis=0) / 1e3
    return {
        "bytes": size,
        "clear_median_us": round(plain_us, 1),
        "curve_median_us": round(curve_us, 1),
        "ratio": round(curve_us / plain_us, 3),
        "added_median_us": round(float(np.median(added_us)), 1),
        "added_95_percent_us": [round(float(end), 1) for end in around],
    }


def main():
    peers = Peer(secured=False), Peer(secured=True)
    try:
        found = {name: measure(*peers, size) for name, size in SIZES.items()}
    finally:
        for peer in peers:
            peer.end()
    text = json.dumps(
        {
            "command": "python tests/perf/native/curve.py",
            "machine": platform.machine(),
            "round_trips": ROUNDS - WARM_UP,
            "sizes": found,
        },
        indent=1,
    )
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
