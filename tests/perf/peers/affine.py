"""int8 and int4: one scale for a tensor, a channel or a group of 32."""

from __future__ import annotations

import numpy as np
from bursts import Call
from inputs import memory
from peers.registry import Made, peer
from peers.wire import AFFINE, HEADER, LEAST_SCALE, Message, packed, quantised, scoped

_INT8 = ("int8", "int8-channel")
_INT4 = ("int4", "int4-channel", "int4-group32")


class _Parts:
    """A message with header, scales, zero points and codes, and the steps towards it."""

    def __init__(self, kernel, x):
        self.encoding = kernel.split()[1]
        self.least, self.most = AFFINE[self.encoding]
        self.rows = scoped(x, self.encoding)
        groups, self.nibbles = len(self.rows), self.encoding.startswith("int4")
        code_bytes = x.size // 2 if self.nibbles else x.size
        self.message = Message.of(5 * groups + code_bytes + 64)
        self.scales = self.message.values(np.float32, 0, groups)
        self.zeros = self.message.values(np.int8, 4 * groups, groups)
        start = -(-5 * groups // 64) * 64
        self.codes = self.message.values(np.uint8, start, code_bytes)
        if not self.nibbles:
            self.codes = self.codes.view(np.int8)

    def fill(self, x):
        """Write the message, for those who decode it."""
        codes, scales, zeros = quantised(x, self.encoding)
        self.scales[:], self.zeros[:] = scales.ravel(), zeros.ravel()
        self.codes[:] = packed(codes) if self.nibbles else codes.ravel()
        HEADER.pack_into(self.message.frame, 0, b"peer", *x.shape, 1.0, 0.0)

    def whole(self):
        """Give the codes, one an element."""
        if not self.nibbles:
            return self.codes
        return np.stack([self.codes & 15, self.codes >> 4], axis=1).ravel()


@peer("numpy", *(f"encode {name}" for name in (*_INT8, *_INT4)))
def numpy_encode(kernel, x):
    parts = _Parts(kernel, x)
    rows, frame, pack, shape = parts.rows, parts.message.frame, HEADER.pack_into, x.shape
    scales, zeros = parts.scales.reshape(-1, 1), parts.zeros.reshape(-1, 1)
    steps, least, most = np.float32(parts.most - parts.least), parts.least, parts.most
    work, codes = np.empty_like(rows), np.empty(rows.shape, np.int8)
    first, second = codes.reshape(-1).view(np.uint8)[::2], codes.reshape(-1).view(np.uint8)[1::2]
    target = parts.codes.reshape(rows.shape) if not parts.nibbles else parts.codes

    def encode():
        pack(frame, 0, b"peer", *shape, 1.0, 0.0)
        low = np.minimum(rows.min(axis=1, keepdims=True), 0)
        high = np.maximum(rows.max(axis=1, keepdims=True), 0)
        np.divide(high - low, steps, out=scales)
        np.maximum(scales, LEAST_SCALE, out=scales)
        inverse = 1 / scales
        zero = least - np.rint(low * inverse)
        zeros[...] = zero
        np.multiply(rows, inverse, out=work)
        np.rint(work, out=work)
        np.add(work, zero, out=work)
        np.clip(work, least, most, out=work)
        if parts.nibbles:
            np.copyto(codes, work, "unsafe")
            np.left_shift(second, 4, out=target)
            np.bitwise_or(target, first, out=target)
        else:
            np.copyto(target, work, "unsafe")

    return Made(Call(encode), parts.whole)


@peer("numpy", *(f"decode {name}" for name in (*_INT8, *_INT4)))
def numpy_decode(kernel, x):
    parts = _Parts(kernel, x)
    parts.fill(x)
    out = memory(x.size, np.float32)
    rows, first, second = out.reshape(parts.rows.shape), out[::2], out[1::2]
    unpack, frame = HEADER.unpack_from, parts.message.frame
    scales, zeros = parts.scales.reshape(-1, 1), parts.zeros.reshape(-1, 1)
    codes, work = parts.codes, np.empty_like(parts.codes)

    def decode():
        unpack(frame)
        if parts.nibbles:
            np.bitwise_and(codes, 15, out=work)
            np.copyto(first, work)
            np.right_shift(codes, 4, out=work)
            np.copyto(second, work)
        else:
            np.copyto(out, codes)
        np.subtract(rows, zeros, out=rows)
        np.multiply(rows, scales, out=rows)

    return Made(Call(decode), lambda: out)


@peer("torch", *(f"encode {name}" for name in _INT8), needs="torch")
def torch_encode(kernel, x):
    import torch

    parts = _Parts(kernel, x)
    rows, codes = torch.from_numpy(parts.rows), torch.from_numpy(parts.codes)
    scales = torch.from_numpy(parts.scales).view(-1, 1)
    zeros = torch.from_numpy(parts.zeros).view(-1, 1)
    codes, work = codes.view(rows.shape), torch.empty_like(rows)
    pack, frame, shape = HEADER.pack_into, parts.message.frame, x.shape

    def encode():
        pack(frame, 0, b"peer", *shape, 1.0, 0.0)
        low, high = torch.aminmax(rows, dim=1, keepdim=True)
        low.clamp_(max=0)
        torch.sub(high.clamp_(min=0), low, out=scales).div_(255).clamp_(min=float(LEAST_SCALE))
        inverse = scales.reciprocal()
        zero = -128 - low.mul_(inverse).round_()
        zeros.copy_(zero)
        torch.mul(rows, inverse, out=work).round_().add_(zero).clamp_(-128, 127)
        codes.copy_(work)

    return Made(Call(encode), parts.whole)


@peer("torch", *(f"decode {name}" for name in _INT8), needs="torch")
def torch_decode(kernel, x):
    import torch

    parts = _Parts(kernel, x)
    parts.fill(x)
    out = memory(x.size, np.float32)
    rows = torch.from_numpy(out).view(parts.rows.shape)
    codes = torch.from_numpy(parts.codes).view(parts.rows.shape)
    scales = torch.from_numpy(parts.scales).view(-1, 1)
    zeros = torch.from_numpy(parts.zeros).view(-1, 1)
    unpack, frame = HEADER.unpack_from, parts.message.frame

    def decode():
        unpack(frame)
        rows.copy_(codes).sub_(zeros).mul_(scales)

    return Made(Call(decode), lambda: out)


@peer("numba", *(f"encode {name}" for name in (*_INT8, *_INT4)), needs="numba")
def numba_encode(kernel, x):
    from peers import loops

    parts = _Parts(kernel, x)
    given = (x.ravel(), x.ravel().view(np.int32), parts.rows.shape[1])
    table = (parts.scales, parts.zeros, parts.codes)
    if parts.nibbles:
        return Made(Call(loops.quantise4, (*given, *table)), parts.whole)
    return Made(Call(loops.quantise, (*given, *table)), parts.whole)


@peer("numba", *(f"decode {name}" for name in (*_INT8, *_INT4)), needs="numba")
def numba_decode(kernel, x):
    from peers import loops

    parts = _Parts(kernel, x)
    parts.fill(x)
    out = memory(x.size, np.float32)
    run = loops.dequantise4 if parts.nibbles else loops.dequantise
    arguments = (parts.codes, parts.rows.shape[1], parts.scales, parts.zeros, out)
    return Made(Call(run, arguments), lambda: out)


def _portions(parts):
    """int8 portions of a feature vector as their devices sent them."""
    made = [quantised(part, "int8") for part in parts]
    codes = np.stack([codes.ravel() for codes, _, _ in made])
    scales = np.array([scale.item() for _, scale, _ in made], np.float32)
    zeros = np.array([zero.item() for _, _, zero in made], np.float32)
    return codes, scales, zeros, memory(codes.size, np.float32)


@peer("numpy", "gather 8 int8")
def numpy_gather(kernel, parts):
    codes, scales, zeros, out = _portions(parts)
    rows, scales, zeros = out.reshape(codes.shape), scales[:, None], zeros[:, None]

    def gather():
        np.subtract(codes, zeros, out=rows)
        np.multiply(rows, scales, out=rows)

    return Made(Call(gather), lambda: out)


@peer("torch", "gather 8 int8", needs="torch")
def torch_gather(kernel, parts):
    import torch

    codes, scales, zeros, out = _portions(parts)
    rows = torch.from_numpy(out).view(codes.shape)
    codes, scales, zeros = map(torch.from_numpy, (codes, scales[:, None], zeros[:, None]))

    def gather():
        rows.copy_(codes).sub_(zeros).mul_(scales)

    return Made(Call(gather), lambda: out)


@peer("numba", "gather 8 int8", needs="numba")
def numba_gather(kernel, parts):
    from peers import loops

    codes, scales, zeros, out = _portions(parts)
    arguments = (codes, scales, zeros.astype(np.int8), codes.shape[1], out)
    return Made(Call(loops.gather, arguments), lambda: out)
