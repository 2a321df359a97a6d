"""Where an artifact comes from: enough to make it again and to know why it differs."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch

import coinfer


def provenance() -> dict[str, Any]:
    """Describe the software and the processor that are training now."""
    return {
        "coinfer": coinfer.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_isa": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
