"""Tables that stand between marks on a page, made anew from what is kept in results/reference."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKS = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def renewed(text: str, tables: Mapping[str, str]) -> str:
    """Put the tables of these names into the page."""
    return MARKS.sub(lambda mark: mark[1] + tables[mark[2]] + mark[3], text)
