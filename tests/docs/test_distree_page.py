"""The tables of docs/distree.md are those of the sweeps that are kept."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location(
        "distree_tables", Path(__file__).with_name("distree_tables.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_was_found(maker):
    text = maker.PAGE.read_text(encoding="utf-8")
    assert maker.MARKS.search(text)
    assert maker.page(text) == text
