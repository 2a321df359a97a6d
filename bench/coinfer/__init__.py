"""Benchmarks cooperative DNN inference on heterogeneous, failing edge devices.

`load` opens a run as data frames, `run` runs a suite; both load what they need when they are used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coinfer.api import Run, load, run

__version__: str
__all__ = ["Run", "__version__", "load", "run"]


def __getattr__(name: str) -> Any:
    # Reading the metadata takes longer than all else that `coinfer --help` does.
    if name == "__version__":
        from importlib.metadata import version

        return version("coinfer")
    if name in ("Run", "load", "run"):
        from coinfer import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
