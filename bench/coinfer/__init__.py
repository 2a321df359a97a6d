"""Benchmarks cooperative DNN inference on heterogeneous, failing edge devices."""

__version__: str


def __getattr__(name: str) -> str:
    # Reading the metadata takes longer than all else that `coinfer --help` does.
    if name == "__version__":
        from importlib.metadata import version

        return version("coinfer")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
