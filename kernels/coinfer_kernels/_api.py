"""The module-level functions: those of the selected back end, without a wrapper in between."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _encodings, _frame, _layout
from .backend import NAMES, load, selected
from .backend.select import reason_against

_backend, _reason = selected()

encode = _backend.encode
encode_batch = _backend.encode_batch
decode = _backend.decode
gather = _backend.gather
verify = _backend.verify
peek = _backend.peek
encoded_size = _layout.encoded_size
crc32c = _backend.crc32c
exit_scores = _backend.exit_scores
should_exit = _backend.should_exit
feature_change = _backend.feature_change
count_agreement = _backend.count_agreement


def info() -> dict[str, Any]:
    """Tell which back end and instruction set are in use, and why.

    Returns
    -------
    dict
        ``backend`` and ``reason``; ``isa``, ``isa_available`` and ``isa_reason`` (empty unless
        the back end is native); ``backends`` (for each one ``"available"`` or why it is not);
        ``forced`` (the environment variables that were set); ``encodings``,
        ``wire_version`` and ``versions``.

    Examples
    --------
    >>> info()["wire_version"], info()["backends"]["reference"]
    (1, 'available')
    """
    versions = {"numpy": np.__version__}
    backends = {}
    for name in NAMES:
        against = reason_against(name)
        backends[name] = against or "available"
        if against is None:
            versions.update(load(name).versions())
    forced = {name: os.environ.get(name) for name in ("COINFER_KERNELS", "COINFER_ISA")}
    return {
        "backend": _backend.name,
        "reason": _reason,
        **_backend.instruction_set()._asdict(),
        "backends": backends,
        "forced": {name: value for name, value in forced.items() if value},
        "encodings": list(_encodings.ENCODINGS),
        "wire_version": _frame.VERSION,
        "versions": versions,
    }
