"""Colours can be told apart, and from the ground, whoever looks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from coinfer.report.html.look import COLOURS, STEPS, SYMBOLS, Look

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", severity 1.0; on linear RGB.
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# IEC 61966-2-1.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
CARDS = ("#ffffff", "#171b21")


def linear(colour):
    share = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("palette", [COLOURS, STEPS], ids=["methods", "parts"])
def test_colours_stand_out_from_the_ground(palette, ground):
    # WCAG 2.2, 1.4.11: 3:1 for graphical objects.
    for pair in palette:
        lums = sorted((linear(c) @ TO_XYZ[1] for c in (pair[ground], CARDS[ground])), reverse=True)
        assert (lums[0] + 0.05) / (lums[1] + 0.05) >= 3, pair[ground]


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("palette", [COLOURS, STEPS], ids=["methods", "parts"])
def test_colours_can_be_told_apart(palette, ground, sight):
    # A difference of 10 in CIELAB is seen at a glance.
    seen = [lab(SIGHT[sight] @ linear(pair[ground])) for pair in palette]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 10


def test_methods_beyond_the_colours_differ_in_symbols():
    names = [f"m{n}" for n in range(len(COLOURS) * len(SYMBOLS))]
    look = Look({name: n for n, name in enumerate(names)}, {"": 0, "x": 1})
    drawn = {(look.colour(name), look.symbol(name, "")) for name in names}
    assert len(drawn) == len(names)
    assert look.symbol("m0", "") != look.symbol("m0", "x")
    assert look.dash("") != look.dash("x")
