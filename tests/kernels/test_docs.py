"""The examples of docs/kernels.md run, and so do those of the docstrings."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_examples():
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.splitlines()[0].strip("# "))
def test_examples_of_the_page(code):
    exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})


MODULES = (
    *("_api", "_crc", "_frame", "_layout", "errors"),
    *("backend.protocol_codec", "backend.protocol_confidence", "backend.select"),
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"coinfer_kernels.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
