"""The tables of docs/distree.md are those of the sweeps that are kept."""

from __future__ import annotations

import distree_tables
from marked_tables import MARKS


def test_the_page_shows_what_was_found():
    text = distree_tables.PAGE.read_text(encoding="utf-8")
    assert {mark[1] for mark in MARKS.findall(text)} == set(distree_tables.tables())
    assert distree_tables.page(text) == text
