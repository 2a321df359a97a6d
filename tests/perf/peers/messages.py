"""Serialisers of whole messages: float32 in, one run of bytes out, and back."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import numpy as np
from bursts import Call
from inputs import memory
from peers.registry import Made, peer
from peers.wire import HEADER


def _encoding(x, write: Callable[[], object], read: Callable[[bytes], np.ndarray]) -> Made:
    return Made(Call(write), lambda: read(bytes(write())).reshape(x.shape))


def _decoding(x, write: Callable[[], object], read: Callable[[bytes], np.ndarray]) -> Made:
    """Into memory of the caller, as the kernel does."""
    out, sent = memory(x.size, np.float32).reshape(x.shape), bytes(write())

    def decode():
        np.copyto(out, read(sent))

    return Made(Call(decode), lambda: out)


def _both(name: str, also: tuple[str, ...] = (), needs: str | None = None):
    """Enter a pair of functions (write, read) for both directions."""
    kernels = ("raw", *also)

    def enter(make):
        @peer(name, *(f"encode {kernel}" for kernel in kernels), needs=needs)
        def encode(kernel, x):
            return _encoding(x, *make(x))

        @peer(name, *(f"decode {kernel}" for kernel in kernels), needs=needs)
        def decode(kernel, x):
            return _decoding(x, *make(x))

    return enter


@_both("struct+tobytes")
def _struct(x):
    def write():
        return HEADER.pack(b"peer", *x.shape, 1.0, 0.0) + x.tobytes()

    def read(sent):
        shape = HEADER.unpack_from(sent)[1:5]
        return np.frombuffer(sent, np.float32, offset=HEADER.size).reshape(shape)

    return write, read


@_both("pickle5")
def _pickle(x):
    return (lambda: pickle.dumps(x, protocol=5)), pickle.loads


@_both("np.save")
def _np_save(x):
    def write():
        file = io.BytesIO()
        np.save(file, x)
        return file.getbuffer()

    return write, lambda sent: np.load(io.BytesIO(sent))


@_both("msgpack", needs="msgpack")
def _msgpack(x):
    import msgpack

    pack, view, shape = msgpack.Packer().pack, memoryview(x).cast("B"), x.shape

    def read(sent):
        shape, data = msgpack.unpackb(sent)
        return np.frombuffer(data, np.float32).reshape(shape)

    return (lambda: pack((shape, view))), read


@_both("msgspec", needs="msgspec")
def _msgspec(x):
    import msgspec

    encode_into, buffer = msgspec.msgpack.Encoder().encode_into, bytearray(x.nbytes + 64)
    decode = msgspec.msgpack.Decoder(tuple[tuple[int, ...], memoryview]).decode
    view, shape = memoryview(x).cast("B"), x.shape

    def write():
        encode_into((shape, view), buffer)
        return buffer

    def read(sent):
        shape, data = decode(sent)
        return np.frombuffer(data, np.float32).reshape(shape)

    return write, read


@_both("safetensors", needs="safetensors")
def _safetensors(x):
    from safetensors.numpy import load, save

    return (lambda: save({"x": x})), lambda sent: load(sent)["x"]


@_both("pyarrow", needs="pyarrow")
def _pyarrow(x):
    import pyarrow as pa

    tensor = pa.Tensor.from_numpy(x)
    buffer = pa.allocate_buffer(pa.ipc.get_tensor_size(tensor))

    def write():
        pa.ipc.write_tensor(tensor, pa.FixedSizeBufferWriter(buffer))
        return buffer

    return write, lambda sent: pa.ipc.read_tensor(pa.BufferReader(sent)).to_numpy()


@_both("torch.save", needs="torch")
def _torch_save(x):
    import torch

    tensor = torch.from_numpy(x)

    def write():
        file = io.BytesIO()
        torch.save(tensor, file)
        return file.getbuffer()

    return write, lambda sent: torch.load(io.BytesIO(sent), weights_only=True).numpy()


@_both("blosc2", also=("sparse-fp32",), needs="blosc2")
def _blosc2(x):
    """Lossless compression at its fastest, which gains where many values are zero."""
    import blosc2

    blosc2.set_nthreads(1)
    out = np.empty_like(x)

    def write():
        return blosc2.compress2(
            x, typesize=4, codec=blosc2.Codec.LZ4, clevel=1, filters=[blosc2.Filter.SHUFFLE]
        )

    def read(sent):
        blosc2.decompress2(sent, dst=out)
        return out

    return write, read


@peer("google-crc32c", "crc32c", needs="google_crc32c")
def _google_crc32c(kernel, data):
    from google_crc32c import value

    plain = bytes(data)
    return Made(Call(value, (plain,)), lambda: np.array(value(plain)))
