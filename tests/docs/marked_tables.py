"""Tables that stand between marks on a page, made anew from what is kept in results/reference."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKS = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)


def renewed(text: str, tables: Mapping[str, str]) -> str:
    """Put the tables of these names into the page; others stay as they are."""
    return MARKS.sub(lambda mark: f"{mark[1]}{tables.get(mark[2], mark[3])}{mark[4]}", text)
