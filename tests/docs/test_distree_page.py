"""The tables of docs/distree.md are those of the sweeps that are kept."""

from __future__ import annotations

import distree_runs as runs
import distree_tables as maker
from kept_runs import KEPT
from marked_tables import MARKS, renewed


def test_the_page_shows_what_was_found():
    text, made = maker.PAGE.read_text(encoding="utf-8"), maker.tables()
    assert {"exits", "networks", "plain", "guarded", "equal-macs", "promises"} <= set(made)
    marked = {mark[1] for mark in MARKS.findall(text)}
    assert set(made) <= marked
    assert renewed(text, made) == text


def test_a_table_of_which_nothing_is_kept_stays():
    text = "<!-- table: a -->\nold\n<!-- end -->\n<!-- table: b -->\nold\n<!-- end -->\n"
    changed = renewed(text, {"b": "new\n"})
    assert changed == text[: len(text) // 2] + text[len(text) // 2 :].replace("old", "new")


def test_seeds_are_told_with_the_interval_of_their_mean():
    """Student's t for 2 degrees of freedom and 95 % is 4.303; the deviation of 1, 2, 3 is 1."""
    choice = {"rule": "fixed", "scheme": "shared", "target": {"accuracy_loss_points": 0.3}}
    rows = [
        {
            **choice,
            "train_seed": seed,
            "requested": {"accuracy_loss_points": 0.2},
            "realised": {
                "accuracy_loss_points": 1.0 + seed,
                "accuracy_loss_interval": (0.0, 9.0),
                "harm_points": 1.0,
                "macs_saved_fraction": 0.1,
                "latency_saved_fraction": 0.2,
                "exits": (0.25 * seed, 1 - 0.25 * seed),
            },
        }
        for seed in (0, 1, 2)
    ]
    several, one = (
        maker.choices(maker.Sweeps([], kept, [], [], []), maker.PLAIN) for kept in (rows, rows[:1])
    )
    row = "| `fixed` | {} | {} | {} | {} | {} | {} |"
    loss = f"2.00 ± {4.303 / 3**0.5:.2f}"
    assert (
        row.format("0.20 ± 0.00", loss, "1.00 ± 0.00", "10.0 ± 0.0", "20.0 ± 0.0", "25 / 75")
        in several
    )
    assert row.format("0.20", "1.00 (0.00 to 9.00)", "1.00", "10.0", "20.0", "0 / 100") in one


def test_runs_become_tables_too():
    """The kept run of `quickstart` stands in: its cells have the figures of exits, too."""
    found = [
        (run, cell)
        for run, cell in runs.kept(KEPT)["quickstart"]
        if cell.cell.faults_name == "none"
    ]
    strict = [cell for _, cell in found if cell.cell.method.variant == "distree-strict"]
    mean = sum(cell.figures["latency_mean_ms"] for cell in strict) / len(strict)
    assert f"| {mean:.1f} |" in runs.links(found)
    assert "`distree-strict`" in runs.points(found)
    assert "`mixed-8`" in runs.load(found)
    held = runs.held(found, "distree-strict", "faults", "none")
    (told,) = [
        float(line.split("|")[3])
        for line in held.splitlines()
        if line.startswith("| `none` | `distree-strict` |")
    ]
    assert 95 <= told <= 100
