"""The figures of docs/kernels.md are those of the committed measurement, to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import summary

REFERENCE = Path(__file__).parents[2] / "results/reference/kernels/avx2-zen3.json"
CALLED = {"kernel", "size", "backend", "isa", "ratio_to_memcpy", "best_peer", "ratio_to_best_peer"}


@pytest.fixture(scope="module")
def file():
    return json.loads(REFERENCE.read_text(encoding="utf-8"))


def test_the_page_shows_the_measurement(file):
    page = summary.PAGE.read_text(encoding="utf-8")
    assert summary.BEGIN in page
    assert summary.with_tables(page, file) == page


def test_every_benchmark_says_what_it_was_held_against(file):
    for benchmark in file["benchmarks"]:
        assert benchmark["extra_info"].keys() >= CALLED
    assert summary.kept(file) == file


def test_coinfer_reads_it():
    store = pytest.importorskip("coinfer.store.benchmarks")
    read = store.read_benchmarks(REFERENCE)
    assert {b.where["isa"] for b in read.benchmarks} == {"avx2", "sse2"}
    assert all(len(b.seconds) == len(b.memcpy_seconds) for b in read.benchmarks)
