"""Build the C++ extension; everything else about the package is in pyproject.toml.

COINFER_NO_EXTENSION=1        leave the extension out (the other back ends do without it)
COINFER_BUILD_JOBS=2          compile so many sources at a time; one a core unless set
COINFER_SANITIZE=address,...  build it with these sanitizers, for the tests
"""

import os
from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

# Not -ffast-math: it would break the NaN rule and the rounding of the quantiser.
FLAGS = ["-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
sanitizers = os.environ.get("COINFER_SANITIZE")
SANITIZE = [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-g"] if sanitizers else []
# Sanitizers at -O3 take minutes to compile and find nothing more.
OPTIMISE = ["-O1"] if sanitizers else ["-O3"]

extension = Pybind11Extension(
    "coinfer_kernels._native",
    sources=sorted(map(str, Path("csrc").rglob("*.cpp"))),
    depends=sorted(map(str, [*Path("csrc").rglob("*.hpp"), *Path("csrc").rglob("*.inl")])),
    include_dirs=["csrc"],
    cxx_std=17,
    extra_compile_args=OPTIMISE + FLAGS + SANITIZE,
    extra_link_args=SANITIZE,
)
# One compiler a core, or as many as COINFER_BUILD_JOBS says.
ParallelCompile("COINFER_BUILD_JOBS").install()
setup(ext_modules=[] if os.environ.get("COINFER_NO_EXTENSION") == "1" else [extension])
