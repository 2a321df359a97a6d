"""Processes below this one come from a server that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext
from typing import Final

from coinfer.runtime.realtime.fleet import PRELOAD, THREADS
from coinfer.training.modules import build

_WORKER: Final = "coinfer.execute.worker"


def fork_context() -> ForkServerContext:
    """Start processes with this; each computes with one thread until it asks for more.

    The server is started once and keeps what it was started with, whoever needs it first.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, build.__module__, _WORKER])
    return context
