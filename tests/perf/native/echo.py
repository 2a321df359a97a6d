"""Sends back whatever comes: ``echo.py ENDPOINT IDENTITY``. The raw peer of a native device."""

import sys

import zmq

context = zmq.Context()
socket = context.socket(zmq.DEALER)
socket.setsockopt(zmq.IDENTITY, sys.argv[2].encode())
socket.connect(sys.argv[1])
socket.send(b"ready")
while True:
    parts = socket.recv_multipart()
    if parts == [b"end"]:
        break
    socket.send_multipart(parts)
context.destroy(linger=0)
