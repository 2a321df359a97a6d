"""encode_batch and gather: several frames at once are what each of them is alone."""

from __future__ import annotations

import numpy as np
import pytest

from coinfer_kernels import FrameError, encoded_size


def tensors(rng, dtype=np.float32):
    shapes = [(4, 6), (), (0, 3), (1, 33), (2, 3, 5), (7,), (1, 4099)]
    made = [np.asarray(rng.standard_normal(shape)) for shape in shapes]
    return [np.maximum(x, 0).astype(dtype) for x in made]


@pytest.mark.parametrize("crc", [True, False])
def test_frames_of_a_batch_lie_one_after_another(backend, rng, encoding, crc):
    for dtype in (np.float32, np.float16):
        batch = tensors(rng, dtype)
        alone = [bytes(backend.encode(x, encoding, None, crc)) for x in batch]
        frames = backend.encode_batch(batch, encoding, None, crc)
        assert all(type(frame) is memoryview for frame in frames)
        assert [bytes(frame) for frame in frames] == alone
        assert len({id(frame.obj) for frame in frames}) == 1
        assert bytes(frames[0].obj) == b"".join(alone)

        room = sum(encoded_size(x.shape, encoding) for x in batch)
        out = bytearray(b"\x5a" * (room + 9))
        frames = backend.encode_batch(batch, encoding, memoryview(out)[1:], crc)
        assert [bytes(frame) for frame in frames] == alone
        assert out[1:].startswith(b"".join(alone))
        assert out[0] == 0x5A
        assert set(out[1 + room :]) == {0x5A}, "wrote beyond the sum of the sizes"
        for frame, x in zip(frames, batch, strict=True):
            assert backend.decode(frame).shape == x.shape


def test_batches_of_any_iterable(backend):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for batch in ([x, x], (x, x), iter([x, x]), np.stack([x, x])):
        frames = backend.encode_batch(batch, "raw")
        assert [backend.decode(frame).tolist() for frame in frames] == [x.tolist()] * 2
    assert backend.encode_batch([], "int8") == []
    assert backend.encode_batch([], "int8", bytearray(5)) == []


def test_encode_batch_refuses(backend):
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="choose from raw"):
        backend.encode_batch([x], "int7")
    with pytest.raises(TypeError, match=r"tensors\[1\] must be float32 or float16, not float64"):
        backend.encode_batch([x, np.ones(3)], "raw")
    with pytest.raises(ValueError, match=r"tensors\[0\] must be C-contiguous"):
        backend.encode_batch([x.T, x], "raw")
    with pytest.raises(ValueError, match="out has 175 bytes, but 176 are needed"):
        backend.encode_batch([x, x], "raw", bytearray(175))
    with pytest.raises(ValueError, match="writable"):
        backend.encode_batch([x, x], "raw", bytes(500))
    with pytest.raises(ValueError, match="NaN or infinite"):
        backend.encode_batch([x, x * np.float32(np.inf)], "int8")
    with pytest.raises(TypeError):
        backend.encode_batch(None, "raw")


def portions(rng, rows):
    """Portions of a feature vector, their shapes as exits give them, and their widths."""
    shapes = [(rows, 5), (rows, 2, 3, 4), (rows,), (rows, 0), (rows, 64), (rows, 3, 11), (rows, 1)]
    made = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    return [np.maximum(x, 0) for x in made], [int(np.prod(shape[1:])) for shape in shapes]


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 33])
def test_portions_are_decoded_into_their_place(backend, rng, encoding, rows):
    parts, widths = portions(rng, rows)
    frames = [backend.encode(x, encoding) for x in parts]
    for missing in ([], [0], [6], [1, 4], [0, 1, 2, 3, 5]):
        some = [None if i in missing else frame for i, frame in enumerate(frames)]
        expected = np.concatenate(
            [
                np.zeros((rows, width), np.float32)
                if frame is None
                else backend.decode(frame).reshape(rows, width)
                for frame, width in zip(some, widths, strict=True)
            ],
            axis=1,
        )
        gathered = backend.gather(some, widths)
        assert gathered.dtype == np.float32
        assert gathered.shape == expected.shape
        assert np.array_equal(gathered.view(np.uint32), expected.view(np.uint32))
        room = np.full((rows + 2, sum(widths)), 7, np.float32)
        out = room[1:-1]
        assert backend.gather(tuple(some), np.array(widths), out) is out
        assert np.array_equal(out, expected)
        assert (room[0] == 7).all()
        assert (room[-1] == 7).all()


def test_large_portions_release_the_lock(backend, rng, encoding):
    parts = [rng.standard_normal((37, width), dtype=np.float32) for width in (513, 700)]
    frames = [backend.encode(x, encoding) for x in parts]
    decoded = [backend.decode(frame) for frame in frames]
    gathered = backend.gather([frames[0], None, frames[1]], [513, 9, 700])
    assert np.array_equal(gathered[:, :513], decoded[0])
    assert not gathered[:, 513:522].any()
    assert np.array_equal(gathered[:, 522:], decoded[1])


def test_all_missing_needs_an_output(backend):
    with pytest.raises(ValueError, match="no frame is there and no out tells the rows"):
        backend.gather([None, None], [3, 4])
    out = np.full((2, 7), 5, np.float32)
    assert backend.gather([None, None], [3, 4], out) is out
    assert not out.any()
    with pytest.raises(ValueError, match="no frame is there"):
        backend.gather([], [])
    assert backend.gather([], [], np.empty((3, 0), np.float32)).shape == (3, 0)


def test_gather_refuses(backend):
    x = np.ones((2, 3), np.float32)
    frame = bytes(backend.encode(x, "fp16"))
    out = np.full((2, 6), 7, np.float32)
    for bad, shape in ((np.ones((2, 4)), r"\(2, 4\)"), (np.ones((3, 3)), r"\(3, 3\)"),
                       (np.ones(()), r"\(\)"), (np.ones((2, 3, 2)), r"\(2, 3, 2\)")):  # fmt: skip
        wrong = backend.encode(bad.astype(np.float32), "raw")
        message = rf"frames\[1\] must hold 2 rows of 3 elements, not the shape {shape}"
        for target in (None, out):
            with pytest.raises(ValueError, match=message):
                backend.gather([frame, wrong], [3, 3], target)
    with pytest.raises(ValueError, match=r"frames\[0\] must hold any number of rows of 4"):
        backend.gather([frame], [4])
    with pytest.raises(ValueError, match="2 frames need as many widths, not 1"):
        backend.gather([frame, frame], [3])
    with pytest.raises(ValueError, match="widths must not be negative"):
        backend.gather([frame, None], [3, -3])
    with pytest.raises(TypeError):
        backend.gather([frame, None], [3, 3.0])
    with pytest.raises(TypeError):
        backend.gather([frame, "text"], [3, 3])
    with pytest.raises(FrameError):
        backend.gather([frame, frame[:-1]], [3, 3], out)
    for target, error, message in (
        (np.ones((2, 6)), TypeError, "out must be an array of float32"),
        (bytearray(48), TypeError, "out must be an array of float32"),
        (np.ones((2, 7), np.float32), ValueError, r"out must have the shape \(2, 6\)"),
        (np.ones(12, np.float32), ValueError, r"out must have the shape \(12, 6\)"),
        (np.ones((6, 2), np.float32).T, ValueError, "out must be C-contiguous"),
    ):
        with pytest.raises(error, match=message):
            backend.gather([frame, frame], [3, 3], target)
    assert (out == 7).all()
