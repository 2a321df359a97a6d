"""The reference pages name what there is, and all of it where a whole module is public."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

import coinfer.contract
import coinfer_kernels

API = Path(__file__).parents[2] / "docs" / "api"


def named(page: str) -> list[str]:
    return re.findall(r"^::: (\S+)$", (API / page).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", [name for page in API.glob("*.md") for name in named(page.name)])
def test_what_is_named_exists_and_is_explained(name):
    assert pkgutil.resolve_name(name).__doc__


def test_the_kernels_are_on_their_page():
    names = [name.removeprefix("coinfer_kernels.") for name in named("kernels.md")]
    assert sorted(names) == sorted(coinfer_kernels.__all__)


def test_each_kernel_says_what_it_takes_and_gives_in_plain_text():
    for name in named("kernels.md"):
        explained = pkgutil.resolve_name(name).__doc__
        assert ":math:" not in explained, name


def test_the_contract_is_there_as_a_whole():
    assert "coinfer.contract" in named("coinfer.md")
    assert set(coinfer.contract.__all__) <= set(vars(coinfer.contract))
