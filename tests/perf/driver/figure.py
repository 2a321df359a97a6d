"""The figure of the driver's cost: microseconds an event, and memory, over devices."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT = 720, 300
PANEL = (240, 200)
TOP = 50
GREY, DARK, LIGHT, RED = "#666", "#1f5a96", "#9cc3e6", "#b03030"
TARGET_US = 6.0


def draw(data: dict[str, Any]) -> str:
    """SVG of both panels."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_speed(data["speed"], 60),
        *_memory(data["memory"], 430),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _speed(rows: Sequence[dict[str, Any]], left: float) -> list[str]:
    """Bars: the bare loop, the codec, and the rest of the driver, one on top of another."""
    most = 1.15 * max(TARGET_US + 1, *(row["driver_us"] for row in rows))
    step = PANEL[0] / len(rows)
    parts = [_text(left, TOP - 24, "CPU time of an event, us", bold=True)]
    parts += [
        _text(left + 130 + 50 * place, TOP - 8, name, fill=fill)
        for place, (name, fill) in enumerate([("heap", GREY), ("codec", LIGHT), ("driver", DARK)])
    ]
    for place, row in enumerate(rows):
        bottom = TOP + PANEL[1]
        rest = row["added_us"] - row["kernels_us"]
        for value, fill in ((row["bare_us"], GREY), (row["kernels_us"], LIGHT), (rest, DARK)):
            height = PANEL[1] * value / most
            bottom -= height
            parts.append(
                f'<rect x="{left + place * step + 10:.1f}" y="{bottom:.1f}" width="{step - 20:.1f}"'
                f' height="{height:.1f}" fill="{fill}"/>'
            )
        middle = left + (place + 0.5) * step
        parts.append(_text(middle, bottom - 4, f"+{row['added_us']:.1f}", anchor="middle"))
        parts.append(_text(middle, TOP + PANEL[1] + 14, row["devices"], anchor="middle"))
    bare = statistics.mean(row["bare_us"] for row in rows)
    y = TOP + PANEL[1] * (1 - (TARGET_US + bare) / most)
    parts.append(_line(left, y, left + PANEL[0], y, RED))
    parts.append(_text(left + PANEL[0] + 4, y + 4, "heap + 6", fill=RED))
    parts.append(_text(left + PANEL[0] / 2, TOP + PANEL[1] + 30, "devices", anchor="middle"))
    return parts


def _memory(rows: Sequence[dict[str, Any]], left: float) -> list[str]:
    """Peaks on two logarithmic axes, beside a straight line through the last of them."""
    first, last = rows[0]["devices"], rows[-1]["devices"]
    least, most = 1e4, 10 ** math.ceil(math.log10(rows[-1]["resident_bytes"]))

    def spot(devices: float, count: float) -> tuple[float, float]:
        x = left + 15 + (PANEL[0] - 30) * math.log(devices / first) / math.log(last / first)
        share = math.log(max(count, least) / least) / math.log(most / least)
        return x, TOP + PANEL[1] * (1 - share)

    a_device = rows[-1]["traced_bytes"] / last
    parts = [_text(left, TOP - 24, "Peak memory of scenario and run", bold=True)]
    parts.append(
        _line(*spot(first, a_device * first), *spot(last, a_device * last), GREY, dashed=True)
    )
    for name, fill, shift in (("traced", DARK, 0), ("resident", RED, 60)):
        parts.append(_text(left + 100 + shift, TOP - 8, name, fill=fill))
        for row in rows:
            x, y = spot(row["devices"], row[f"{name}_bytes"])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}"/>')
    power = round(math.log10(least))
    while 10**power <= most:
        y = spot(first, 10**power)[1]
        parts.append(_line(left, y, left + PANEL[0], y, "#ddd"))
        parts.append(_text(left - 6, y + 4, _size(10**power), anchor="end"))
        power += 1
    for row in rows:
        x = spot(row["devices"], least)[0]
        parts.append(_text(x, TOP + PANEL[1] + 14, row["devices"], anchor="middle"))
    middle = left + PANEL[0] / 2
    parts.append(_text(middle, TOP + PANEL[1] + 30, "devices", anchor="middle"))
    parts.append(
        _text(
            middle, TOP + PANEL[1] + 44, f"dashed: {a_device:,.0f} bytes a device", anchor="middle"
        )
    )
    return parts


def _size(count: float) -> str:
    return f"{count / 1e6:g} MB" if count >= 1e6 else f"{count / 1e3:g} kB"


def _text(
    x: float,
    y: float,
    text: object,
    *,
    anchor: str = "start",
    fill: str = "#222",
    bold: bool = False,
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{weight}>{text}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, fill: str, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{fill}"{dashes}/>'
    )
