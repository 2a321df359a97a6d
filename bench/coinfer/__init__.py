"""Benchmarks cooperative DNN inference on heterogeneous, failing edge devices."""

from importlib.metadata import version as _version

__version__ = _version("coinfer")
