"""Throws random and mutated messages at the router of a run: ENDPOINT TOKEN COUNT SEED.

It knows the token of the run, which a stranger does not. Prints as JSON how many messages it has
sent that ZeroMQ delivers (`sent`), how many under an identity that is taken (`shut_out`: ZeroMQ
reads nothing from such a peer), and how many that are larger than what the router takes
(`oversized`: ZeroMQ ends the connection).
"""

import json
import random
import sys
import time

import zmq

from coinfer.runtime.realtime.packets import Parcel, System, pack
from coinfer.runtime.wire import Control, Data, Envelope, Path
from coinfer_kernels import encode


def real_messages(token):
    """Messages as the devices of the run send them, token and all."""
    import numpy as np

    frame = bytes(encode(np.ones((1, 16), np.float32), "int8"))
    data = Data(3, 1, "s0", None, (3,), frame, len(frame) - 64, {3: (20_000, 0, 0, 0)})
    stop = Control("stop", 3, "", (3,))
    yield from (
        pack(Parcel(token, 7, Envelope("d0", "source", 5, Path(1), data))),
        pack(Parcel(token, 7, Envelope("d0", "source", 5, Path(1), stop))),
        pack(Parcel(token, 7, Envelope("source", "d0", 5, Path(1), stop))),
        pack(System(token, "ready", "d0", {"real_ns": 1, "modelled_ns": 1})),
        pack(System(token, "report", "d1", {"spent": {}, "busy_ns": -1})),
        pack(System(token, "lost", "d0")),
        pack(System(token, "finish", "source")),
        pack(System(token, "beat", "d0")),
    )


def mutated(parts, draw):
    """Parts with bits flipped, bytes cut off, parts said twice, left out, or put in between."""
    parts = [bytearray(part) for part in parts]
    for _ in range(draw.randrange(4)):
        part = draw.choice(parts)
        place = draw.randrange(len(part) + 1)
        what = draw.randrange(5)
        if what == 0 and part:
            part[place - 1] ^= 1 << draw.randrange(8)
        elif what == 1:
            del part[place:]
        elif what == 2:
            part[place:place] = draw.randbytes(draw.randrange(1, 9))
        elif what == 3:
            parts.append(bytearray(draw.choice(parts)))
        else:
            parts.insert(0, bytearray())
    return parts


def noise(draw):
    return [draw.randbytes(draw.choice((0, 1, 8, 64, 4096))) for _ in range(draw.randrange(1, 5))]


def main(endpoint, token, count, seed):
    draw = random.Random(seed)
    suffix = f"@{token:016x}".encode()
    context = zmq.Context()

    def dial(identity=None):
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 10_000)
        if identity is not None:
            socket.setsockopt(zmq.IDENTITY, identity)
        socket.connect(endpoint)
        return socket

    # No name, a device's without the proof, one with a wrong proof, and strangers who know it.
    strangers = [
        dial(),
        *map(dial, (b"d0", b"source", b"d0@0123456789abcdef", b"x" * 255, b"\xff\xfe" + suffix)),
        *map(
            dial,
            (
                suffix,
                b"nobody" + suffix,
                b"nobody#0" + suffix,
                b"d0#7/beat" + suffix,
                b"d0" + suffix,
            ),
        ),
    ]
    right, wrong = list(real_messages(token)), list(real_messages(token ^ 1))
    for _ in range(count):
        kind = draw.randrange(10)
        if kind < 2:
            parts = noise(draw)
        elif kind < 3:
            parts = draw.choice(wrong)
        elif kind < 5:
            parts = draw.choice(right)
        else:
            parts = mutated(draw.choice(right), draw)
        draw.choice(strangers).send_multipart(parts)

    shut_out = 0
    for thief in map(dial, (b"d0#0" + suffix, b"d1#0" + suffix, b"d1#0/beat" + suffix)):
        thief.setsockopt(zmq.LINGER, 0)
        for parts in right * 10:
            try:
                thief.send_multipart(parts, zmq.NOBLOCK)
                shut_out += 1
            except zmq.Again:
                break
    giant = dial(b"giant" + suffix)
    giant.setsockopt(zmq.LINGER, 500)
    giant.send(bytes(64 << 20))
    # What a full receiver has not read yet of a connection that hangs up is dropped by ZeroMQ, and
    # could not be counted: hang up when all has been read.
    time.sleep(3)
    context.destroy()
    print(json.dumps({"sent": count, "shut_out": shut_out, "oversized": 1}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
