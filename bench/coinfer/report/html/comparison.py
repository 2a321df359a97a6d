"""The page of a comparison: sentences, every row, and how large the changes are."""

from __future__ import annotations

from collections.abc import Sequence

from coinfer.report.comparison import row_table, sentences_told, summary, title
from coinfer.report.html.details import machine
from coinfer.report.html.document import document, filters
from coinfer.report.html.figures.changes import amounts, shares
from coinfer.report.html.material import Line, Table
from coinfer.report.sentences import varying_axes
from coinfer.stats import Row
from coinfer.store import RunFolder


def comparison_page(
    compared: Sequence[Row],
    sides: Sequence[tuple[str, RunFolder]] = (),
    corrupt: Sequence[str] = (),
) -> str:
    """HTML of a comparison.

    Parameters
    ----------
    compared : sequence of Row
        At least one.
    sides : sequence of (str, RunFolder)
        Runs that they are of, by label, for the machines; files of benchmarks have none.
    corrupt : sequence of str
        One line for each result that could not be read.

    Returns
    -------
    str
        With style, scripts and data inside; a policy in its head forbids it any request.
    """
    axes = varying_axes(compared)
    several = len({row.new for row in compared}) > 1
    at = [
        {
            "metric": row.metric,
            **{axis: str(row.where.get(axis, "")) for axis in axes},
            **({"new": row.new} if several else {}),
            "verdict": row.verdict,
        }
        for row in compared
    ]
    # Within one run nothing became worse: methods are what they are.
    regressions = len(sides) != 1
    headings, lines, notes = row_table(compared)
    return document(
        "comparison.html.j2",
        kind="comparison",
        title=title(compared),
        settings=at,
        drawn=[amounts(compared, at), shares(compared, at)],
        filters=filters(at),
        summary=summary(compared),
        sentences=sentences_told(compared),
        row_count=len(compared),
        results=Table(
            "Means of both sides; change of the new one against the base, with its 95 % interval; "
            "p corrected for the number of rows. Rows that cannot be decided stay.",
            tuple(headings),
            [
                Line((n,), tuple(line), "regression" if regressions and row.regression else "")
                for n, (row, line) in enumerate(zip(compared, lines, strict=True))
            ],
        ),
        notes=notes,
        corrupt=corrupt,
        machines=[{"side": label, **machine(run)} for label, run in sides],
    )
