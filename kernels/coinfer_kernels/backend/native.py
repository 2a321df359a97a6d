"""The native back end: C++ compiled for several instruction sets, one of them chosen at load."""

from __future__ import annotations

import inspect
import os
from typing import Final

from .. import _frame, _layout
from ..errors import BackendError
from .protocol import DOCUMENTED, Backend, InstructionSet

try:
    from .. import _native
except ImportError as error:
    raise BackendError(f"the extension is not built or does not load: {error}") from error

STALE: Final = (
    "the compiled kernels are older than the Python sources: run 'pip install -e .' again"
)


class NativeBackend:
    """The functions of one instruction set."""

    name = "native"
    encoded_size = staticmethod(_layout.encoded_size)

    def __init__(self, isa: str, reason: str) -> None:
        docs = {name: inspect.getdoc(getattr(Backend, name)) or "" for name in DOCUMENTED}
        docs["peek"] = inspect.getdoc(_frame.peek) or ""
        functions = _native.functions(isa, docs)
        if not functions.keys() >= {*docs, "isa"}:
            raise BackendError(STALE)
        self._isa = InstructionSet(functions["isa"], _native.isa_available(), reason)
        self.encode = functions["encode"]
        self.encode_batch = functions["encode_batch"]
        self.decode = functions["decode"]
        self.gather = functions["gather"]
        self.verify = functions["verify"]
        self.peek = functions["peek"]
        self.crc32c = functions["crc32c"]
        self.exit_scores = functions["exit_scores"]
        self.should_exit = functions["should_exit"]
        self.feature_change = functions["feature_change"]
        self.count_agreement = functions["count_agreement"]

    def versions(self) -> dict[str, str]:
        """Return the version of the compiler."""
        return {"compiler": _native.compiler}

    def instruction_set(self) -> InstructionSet:
        """Tell which instruction set this is, which there are, and why this one."""
        return self._isa


def create(isa: str | None = None) -> NativeBackend:
    """Make the back end for `isa`, or for ``COINFER_ISA``, or for the best set there is."""
    forced = os.environ.get("COINFER_ISA")
    if isa is not None:
        wanted, reason = isa, "asked for"
    elif forced:
        wanted, reason = forced, "forced by COINFER_ISA"
    else:
        wanted, reason = _native.isa_available()[0], "the best this processor has"
    if wanted not in _native.isa_available():
        have = ", ".join(_native.isa_available())
        raise BackendError(f"instruction set {wanted!r} ({reason}) is not available; here: {have}")
    return NativeBackend(wanted, reason)
