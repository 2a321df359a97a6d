"""A bitmap of what is not zero, and those values: what a ReLU leaves."""

from __future__ import annotations

import numpy as np
from bursts import Call
from inputs import memory
from peers.registry import Made, peer
from peers.wire import HEADER, Message, quantised

_KERNELS = ("sparse-fp32", "sparse-fp16", "sparse-int8")
_DTYPES = {"sparse-fp32": np.float32, "sparse-fp16": np.float16, "sparse-int8": np.int8}


class _Parts:
    def __init__(self, kernel, x):
        self.encoding = kernel.split()[1]
        dtype = _DTYPES[self.encoding]
        # The loops write one value more than they keep, instead of branching.
        self.message = Message.of(x.size // 8 + (x.size + 1) * np.dtype(dtype).itemsize)
        self.bitmap = self.message.values(np.uint8, 0, x.size // 8)
        self.values = self.message.values(dtype, x.size // 8, x.size + 1)
        self.scale, self.zero = np.zeros(1, np.float32), np.zeros(1, np.int8)
        self.kept = int(np.count_nonzero(x))
        self.sent = self.values[: self.kept]

    def fill(self, x):
        flat = x.ravel()
        self.bitmap[:] = np.packbits(flat != 0, bitorder="little")
        values = flat[flat != 0]
        if self.encoding == "sparse-int8":
            codes, scale, zero = quantised(values, "int8")
            self.scale[:], self.zero[:], values = scale[0], zero[0], codes
        self.sent[:] = values


@peer("numpy", *(f"encode {name}" for name in _KERNELS))
def numpy_encode(kernel, x):
    parts = _Parts(kernel, x)
    flat, bits, present = x.ravel(), x.ravel().view(np.uint32), np.empty(x.size, bool)
    pack, frame, shape, values = HEADER.pack_into, parts.message.frame, x.shape, parts.values
    work = np.empty(x.size, np.float32)

    def encode():
        np.not_equal(bits, 0, out=present)
        parts.bitmap[:] = np.packbits(present, bitorder="little")
        kept = np.count_nonzero(present)
        if parts.encoding != "sparse-int8":
            values[:kept] = flat[present]
            pack(frame, 0, b"peer", *shape, 1.0, 0.0)
            return
        some = np.compress(present, flat, out=work[:kept])
        low, high = min(some.min(), 0), max(some.max(), 0)
        scale = (high - low) / np.float32(255)
        inverse = 1 / scale
        zero = np.float32(-128 - np.rint(low * inverse))
        np.multiply(some, inverse, out=some)
        np.rint(some, out=some)
        np.add(some, zero, out=some)
        np.clip(some, -128, 127, out=some)
        np.copyto(values[:kept], some, "unsafe")
        pack(frame, 0, b"peer", *shape, scale, zero)

    return Made(Call(encode), lambda: parts.sent)


@peer("numpy", *(f"decode {name}" for name in _KERNELS))
def numpy_decode(kernel, x):
    parts = _Parts(kernel, x)
    parts.fill(x)
    out, work = memory(x.size, np.float32), np.empty(parts.kept, np.float32)
    unpack, frame = HEADER.unpack_from, parts.message.frame
    HEADER.pack_into(frame, 0, b"peer", *x.shape, 1.0, 0.0)

    def decode():
        unpack(frame)
        present = np.unpackbits(parts.bitmap, count=out.size, bitorder="little").view(bool)
        out.fill(0)
        values = parts.sent
        if parts.encoding == "sparse-int8":
            np.subtract(values, np.float32(parts.zero[0]), out=work)
            values = np.multiply(work, parts.scale[0], out=work)
        out[present] = values

    return Made(Call(decode), lambda: out)


@peer("numba", *(f"encode {name}" for name in _KERNELS), needs="numba")
def numba_encode(kernel, x):
    from peers import loops

    parts = _Parts(kernel, x)
    bits, header, bitmap = x.ravel().view(np.int32), parts.message.floats(), parts.bitmap
    scratch = memory(x.size + 1, np.float32)
    if parts.encoding == "sparse-fp32":
        arguments = (bits, header, bitmap, parts.values.view(np.int32))
        return Made(Call(loops.compress, arguments), lambda: parts.sent)
    if parts.encoding == "sparse-fp16":
        arguments = (bits, header, bitmap, parts.values.view(np.int16), scratch.view(np.int32))
        return Made(Call(loops.compress_narrow, arguments), lambda: parts.sent)
    arguments = (bits, header, bitmap, parts.scale, parts.zero, parts.values, scratch)
    arguments = (*arguments, scratch.view(np.int32))
    return Made(Call(loops.compress_quantise, arguments), lambda: parts.sent)


@peer("numba", *(f"decode {name}" for name in _KERNELS), needs="numba")
def numba_decode(kernel, x):
    from peers import loops

    parts = _Parts(kernel, x)
    parts.fill(x)
    out = memory(x.size, np.float32)
    bits, scratch = out.view(np.int32), memory(x.size + 1, np.float32)
    if parts.encoding == "sparse-fp32":
        arguments = (parts.bitmap, parts.values.view(np.int32), bits)
        return Made(Call(loops.expand, arguments), lambda: out)
    if parts.encoding == "sparse-fp16":
        arguments = (parts.bitmap, parts.message.floats(), parts.sent.view(np.uint16), bits)
        call = Call(loops.expand_widen, (*arguments, scratch.view(np.int32)))
        return Made(call, lambda: out)
    arguments = (parts.bitmap, parts.sent, parts.scale, parts.zero, bits, scratch)
    return Made(Call(loops.expand_dequantise, arguments), lambda: out)
