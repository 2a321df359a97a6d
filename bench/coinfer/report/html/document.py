"""What every page is made of: frame, style, scripts and data; it asks nothing of a network."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

import coinfer
from coinfer.report.html.look import ROW_PX, palette
from coinfer.report.html.material import Absent, Figure

_ASSETS: Final = files("coinfer.report.html") / "assets"

_PLOTLY: Final = "plotly-basic.min.js"
"""As npm's plotly.js-basic-dist-min has it, of the version that the Python package brings whole:
what has a quarter of the code is loaded in a third of the time."""


def document(
    template: str,
    *,
    title: str,
    settings: Sequence[Mapping[str, str]],
    drawn: Sequence[Figure | Absent],
    **values: Any,
) -> str:
    """HTML of a page.

    Parameters
    ----------
    template : str
        Its name among the assets.
    title : str
    settings : sequence of mapping
        What lines of tables and points of figures are of, by number; each with its values on the
        axes that can be filtered by.
    drawn : sequence of Figure or Absent
    **values
        All else that the template shows.

    Returns
    -------
    str
        With style, scripts and data inside; a policy in its head forbids it any request.
    """
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["told"] = told
    figures = [one for one in drawn if isinstance(one, Figure)]
    return environment.get_template(template).render(
        **values,
        title=title,
        drawn=drawn,
        is_drawn=lambda one: isinstance(one, Figure),
        version=coinfer.__version__,
        plotly_version=plotly_version(),
        light=palette(0),
        dark=palette(1),
        style=Markup(_asset("style.css")),
        script=Markup(_asset("page.js")),
        plotly=_packed(_asset(_PLOTLY)),
        data=_json(
            {
                "row_px": ROW_PX,
                "settings": settings,
                "figures": {one.name: _plain(one) for one in figures},
            }
        ),
    )


def plotly_version() -> str:
    """Version of the plotly.js that draws, as its licence header says."""
    (found,) = re.findall(r"plotly\.js \(basic - minified\) v(\S+)", _asset(_PLOTLY)[:500])
    return str(found)


def filters(settings: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Axes with several values, and these."""
    axes = dict.fromkeys(axis for at in settings for axis in at)
    values = {axis: list(dict.fromkeys(at[axis] for at in settings if axis in at)) for axis in axes}
    return {axis: found for axis, found in values.items() if len(found) > 1}


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
