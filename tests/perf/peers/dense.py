"""raw, fp16 and bf16: copies and casts."""

from __future__ import annotations

import numpy as np
from bursts import Call
from inputs import memory
from peers.registry import Made, peer
from peers.wire import HEADER, Message

_KERNELS = ("raw", "fp16", "bf16")
_DTYPES = {"raw": np.float32, "fp16": np.float16, "bf16": np.uint16}


def _message(kernel, x):
    dtype = _DTYPES[kernel.split()[1]]
    message = Message.of(x.size * np.dtype(dtype).itemsize)
    return message, message.values(dtype).reshape(x.shape)


def _encode(x, message, cast, *arguments):
    """Header by struct, payload by `cast`."""
    pack, frame, shape = HEADER.pack_into, message.frame, x.shape

    def encode():
        pack(frame, 0, b"peer", *shape, 1.0, 0.0)
        cast(*arguments)

    return Call(encode)


def _decode(message, cast, *arguments):
    unpack, frame = HEADER.unpack_from, message.frame
    HEADER.pack_into(frame, 0, b"peer", 1, 1, 1, 1, 1.0, 0.0)

    def decode():
        unpack(frame)
        cast(*arguments)

    return Call(decode)


@peer("numpy", "encode raw", "encode fp16")
def numpy_encode(kernel, x):
    message, values = _message(kernel, x)
    return Made(_encode(x, message, np.copyto, values, x, "same_kind"), lambda: values)


@peer("numpy", "decode raw", "decode fp16")
def numpy_decode(kernel, x):
    message, values = _message(kernel, x)
    values[...] = x
    out = memory(x.size, np.float32).reshape(x.shape)
    return Made(_decode(message, np.copyto, out, values), lambda: out)


@peer("numpy", "encode bf16")
def numpy_encode_bf16(kernel, x):
    message, values = _message(kernel, x)
    bits, rounded = x.view(np.uint32), np.empty(x.shape, np.uint32)

    def narrow():
        np.right_shift(bits, 16, out=rounded)
        np.bitwise_and(rounded, 1, out=rounded)
        np.add(rounded, 0x7FFF, out=rounded)
        np.add(rounded, bits, out=rounded)
        np.right_shift(rounded, 16, out=rounded)
        np.copyto(values, rounded, "unsafe")

    return Made(_encode(x, message, narrow), lambda: values)


@peer("numpy", "decode bf16")
def numpy_decode_bf16(kernel, x):
    message, values = _message(kernel, x)
    _fill(kernel, values, x)
    out = memory(x.size, np.float32).reshape(x.shape)
    bits = out.view(np.uint32)

    def widen():
        np.left_shift(values, np.uint32(16), out=bits, dtype=np.uint32)

    return Made(_decode(message, widen), lambda: out)


@peer("ml_dtypes", "encode bf16", needs="ml_dtypes")
def ml_dtypes_encode(kernel, x):
    from ml_dtypes import bfloat16

    message, values = _message(kernel, x)
    return Made(_encode(x, message, np.copyto, values.view(bfloat16), x, "unsafe"), lambda: values)


@peer("ml_dtypes", "decode bf16", needs="ml_dtypes")
def ml_dtypes_decode(kernel, x):
    from ml_dtypes import bfloat16

    message, values = _message(kernel, x)
    values.view(bfloat16)[...] = x.astype(bfloat16)
    out = memory(x.size, np.float32).reshape(x.shape)
    return Made(_decode(message, np.copyto, out, values.view(bfloat16)), lambda: out)


def _torch(values, encoding):
    """Tensor on the same memory."""
    import torch

    if encoding == "bf16":
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


@peer("torch", *(f"encode {name}" for name in _KERNELS), needs="torch")
def torch_encode(kernel, x):
    message, values = _message(kernel, x)
    target, source = _torch(values, kernel.split()[1]), _torch(x, "raw")
    return Made(_encode(x, message, target.copy_, source), lambda: values)


@peer("torch", *(f"decode {name}" for name in _KERNELS), needs="torch")
def torch_decode(kernel, x):
    message, values = _message(kernel, x)
    source = _torch(values, kernel.split()[1])
    source.copy_(_torch(x, "raw"))
    out = memory(x.size, np.float32).reshape(x.shape)
    return Made(_decode(message, _torch(out, "raw").copy_, source), lambda: out)


@peer("numba", *(f"encode {name}" for name in _KERNELS), needs="numba")
def numba_encode(kernel, x):
    from peers import loops

    message, values = _message(kernel, x)
    run = {"raw": loops.copy, "fp16": loops.narrow, "bf16": loops.narrow_bf16}[kernel.split()[1]]
    flat = x.ravel() if kernel == "encode raw" else x.ravel().view(np.int32)
    words = values.ravel().view(np.int16) if kernel == "encode fp16" else values.ravel()
    return Made(Call(run, (flat, message.floats(), words)), lambda: values)


@peer("numba", *(f"decode {name}" for name in _KERNELS), needs="numba")
def numba_decode(kernel, x):
    from peers import loops

    message, values = _message(kernel, x)
    _fill(kernel, values, x)
    out = memory(x.size, np.float32)
    run = {"raw": loops.copy, "fp16": loops.widen, "bf16": loops.widen_bf16}[kernel.split()[1]]
    words = values.ravel() if kernel == "decode raw" else values.ravel().view(np.uint16)
    target = out if kernel == "decode raw" else out.view(np.int32)
    return Made(Call(run, (words, message.floats(), target)), lambda: out)


def _fill(kernel, values, x):
    bits = x.view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    values[...] = rounded if kernel.endswith("bf16") else x
