"""The page of a report, put together."""

from __future__ import annotations

from collections.abc import Sequence

from coinfer.report.html import details, overview
from coinfer.report.html.document import document, filters
from coinfer.report.html.figures import FIGURES
from coinfer.report.html.material import Material, Shown


def page(runs: Sequence[Shown]) -> str:
    """HTML of a report.

    Parameters
    ----------
    runs : sequence of Shown
        At least one; several are told apart by an axis ``run``.

    Returns
    -------
    str
        With style, scripts and data inside; a policy in its head forbids it any request.
    """
    material = Material(runs)
    drawn = [figure(material) for figure in FIGURES]
    settings = [{axis: s.at[axis] for axis in s.varying} for s in material.settings]
    return document(
        "page.html.j2",
        kind="report",
        title=" + ".join(dict.fromkeys(run.folder.info.suite.name for run in runs)),
        settings=settings,
        drawn=drawn,
        answers=[overview.answer(run) for run in runs],
        flags=[(run.name, overview.flags(run)) for run in runs],
        cell_count=len(material.cells),
        setting_count=len(material.settings),
        filters=filters(settings),
        results=overview.results(material),
        methods=details.methods(material),
        method_colours=material.look.methods,
        clusters=details.clusters(material),
        faults=details.faults(material),
        common=details.common(material),
        machines=[details.machine(run.folder) for run in runs],
        cells=details.cells(material),
    )
