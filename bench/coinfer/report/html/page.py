"""The page, put together: one file that asks nothing of a network."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs, get_plotlyjs_version

import coinfer
from coinfer.report.html import details, overview
from coinfer.report.html.figures import FIGURES
from coinfer.report.html.look import ROW_PX, palette
from coinfer.report.html.material import Figure, Material, Shown

_ASSETS: Final = files("coinfer.report.html") / "assets"


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
    figures = [one for one in drawn if isinstance(one, Figure)]
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["told"] = told
    return environment.get_template("page.html.j2").render(
        title=" + ".join(dict.fromkeys(run.folder.info.suite.name for run in runs)),
        version=coinfer.__version__,
        plotly_version=get_plotlyjs_version(),
        answers=[overview.answer(run) for run in runs],
        flags=[(run.name, overview.flags(run)) for run in runs],
        cell_count=len(material.cells),
        setting_count=len(material.settings),
        filters=_filters(material),
        results=overview.results(material),
        drawn=drawn,
        is_drawn=lambda one: isinstance(one, Figure),
        methods=details.methods(material),
        method_colours=material.look.methods,
        clusters=details.clusters(material),
        faults=details.faults(material),
        common=details.common(material),
        machines=[details.machine(run) for run in runs],
        cells=details.cells(material),
        light=palette(0),
        dark=palette(1),
        style=Markup(_asset("style.css")),
        script=Markup(_asset("page.js")),
        plotly=_packed(get_plotlyjs()),
        data=_json(
            {
                "row_px": ROW_PX,
                "settings": [{axis: s.at[axis] for axis in s.varying} for s in material.settings],
                "figures": {one.name: _plain(one) for one in figures},
            }
        ),
    )


def told(value: Any) -> str:
    """One value as text: numbers with six digits, lists joined."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(told(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {told(one)}" for name, one in value.items())
    return str(value)


def _filters(material: Material) -> dict[str, list[str]]:
    """Axes with several values, and these."""
    values = {a: list(dict.fromkeys(s.at[a] for s in material.settings)) for a in material.axes}
    return {axis: found for axis, found in values.items() if len(found) > 1}


def _plain(figure: Figure) -> dict[str, Any]:
    traces = [trace.to_plotly_json() for trace in figure.traces]
    return {"traces": traces, "layout": figure.layout}


def _json(value: Any) -> Markup:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _packed(script: str) -> Markup:
    """A script at two fifths of its size; the page unpacks it."""
    return Markup(base64.b64encode(zlib.compress(script.encode(), 9)).decode())


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
