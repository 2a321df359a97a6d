"""Build the C++ extension; everything else about the package is in pyproject.toml."""

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup

setup(
    ext_modules=[
        Pybind11Extension(
            "coinfer_kernels._native",
            sorted(["csrc/bindings/module.cpp"]),
            include_dirs=["csrc"],
            cxx_std=17,
        )
    ]
)
