"""On PYTHONPATH, makes every encoding take so much longer, in every process of a native run.

The nanoseconds are in the file that ``COINFER_INJECT`` names, read once a process: a device is a
new process in every cell. The product knows nothing of it.
"""

import os
import time
from pathlib import Path

from coinfer_kernels import backend

_load = backend.load


class _Slower:
    """A back end that spins after encoding; everything else is passed on."""

    def __init__(self, inner):
        self._inner = inner
        self._extra_ns = None

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def encode(self, *arguments, **options):
        if self._extra_ns is None:
            self._extra_ns = int(Path(os.environ["COINFER_INJECT"]).read_text())
        frame = self._inner.encode(*arguments, **options)
        until = time.perf_counter_ns() + self._extra_ns
        while time.perf_counter_ns() < until:
            pass
        return frame


def _loaded(*arguments, **options):
    return _Slower(_load(*arguments, **options))


if "COINFER_INJECT" in os.environ:
    backend.load = _loaded
