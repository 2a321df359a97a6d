"""The tables of docs/distree.md, made from the sweeps and runs in results/reference/distree.

python tests/docs/distree_tables.py

writes them into the page, between the marks; the page's test holds them against what is kept. Every
folder there counts that holds a sweep or a run, whichever seeds, networks and methods it is of; a
table of which nothing is kept stays as it is.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from distree_runs import run_tables
from kept_runs import KEPT, ROOT, interval
from marked_tables import renewed

from coinfer.report.plain import markdown_table as table
from coinfer.report.sweep import target_name

PAGE = ROOT / "docs" / "distree.md"
FOLDER = KEPT / "distree"
NETWORK, CLUSTER = "wrn-10-1", "mixed-8"
PLAIN, GUARDED = "loss ≤ 0.3", "harm ≤ 0.5 (ltt)"

Row = Mapping[str, Any]


class Sweeps(NamedTuple):
    """Rows of all sweeps on one cluster, in the order of the training seeds."""

    exits: list[Row]
    choices: list[Row]
    promises: list[Row]
    rivals: list[Row]
    fronts: list[Row]

    def of(self, network: str) -> Sweeps:
        """Those of one network."""
        return Sweeps(*([row for row in rows if row["method"] == network] for rows in self))


def sweeps() -> Sweeps:
    """What is kept."""
    found: dict[str, list[Row]] = {name: [] for name in Sweeps._fields}
    for path in sorted(FOLDER.glob("**/sweep.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored["fronts"] = pq.read_table(path.with_name("fronts.parquet")).to_pylist()
        for name, rows in found.items():
            rows += [row for row in stored[name] if row["cluster"] == CLUSTER]
    return Sweeps(*(sorted(rows, key=lambda row: row["train_seed"]) for rows in found.values()))


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by some of their fields, one a training seed where these tell all else."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def over(rows: Iterable[Row], figure: Callable[[Row], float | None], digits: int = 2) -> str:
    """A figure over training seeds; a dash where one of them has none."""
    values = [figure(row) for row in rows]
    told = [value for value in values if value is not None]
    return interval(told, digits) if len(told) == len(values) else "–"


def rule_of(rule: str, scheme: str) -> str:
    """Name of a rule with its way of sharing out thresholds."""
    return f"`{rule}`" + (", budgeted" if scheme == "budgeted" else "")


def lost(rows: Sequence[Row]) -> str:
    """Points lost; of one seed with the interval over the images."""
    shown = over(rows, lambda row: row["realised"]["accuracy_loss_points"])
    if len(rows) == 1:
        low, high = rows[0]["realised"]["accuracy_loss_interval"]
        shown += f" ({low:.2f} to {high:.2f})"
    return shown


def saved(what: str, digits: int = 1) -> Callable[[Row], float]:
    """Percent that a choice saves on the test split."""
    return lambda row: 100 * row["realised"][f"{what}_saved_fraction"]


def exits(found: Sweeps) -> str:
    """What each exit of each network is worth on the test split."""
    rows = []
    for (network, b), of in grouped(found.exits, "method", "exit").items():
        rows.append(
            [
                f"`{network}`",
                str(b),
                over(of, lambda row: 100 * row["accuracy"]),
                f"{of[0]['macs'] / 1e6:.2f}",
                f"{of[0]['macs_alone'] / 1e6:.2f}",
                " → ".join(over(of, lambda row, n=n: 100 * row[n]) for n in ("ece_before", "ece")),
                " → ".join(over(of, lambda row, n=n: row[n], 3) for n in ("auroc_before", "auroc")),
            ]
        )
    head = ["network", "exit", "accuracy %", "MMAC", "MMAC alone", "ECE %, scaled"]
    return table([*head, "AUROC, scaled"], rows)


def choices(found: Sweeps, target: str) -> str:
    """What a target chooses on the calibration split, and what comes of it on the test split."""
    chosen = [row for row in found.choices if target_name(row["target"]) == target]
    rows = []
    for (rule, scheme), of in grouped(chosen, "rule", "scheme").items():
        shares = zip(*(row["realised"]["exits"] for row in of), strict=True)
        rows.append(
            [
                rule_of(rule, scheme),
                over(of, lambda row: row["requested"]["accuracy_loss_points"]),
                lost(of),
                over(of, lambda row: row["realised"]["harm_points"]),
                over(of, saved("macs"), 1),
                over(of, saved("latency"), 1),
                " / ".join(f"{100 * statistics.fmean(share):.0f}" for share in shares),
            ]
        )
    head = ["rule", "loss asked", "loss realised", "harm", "MACs saved %", "time saved %"]
    return table([*head, "at exits %"], rows)


def networks(found: Sweeps) -> str:
    """What some rules come to on every network: plain thresholds, and guarded ones."""
    shown = (
        *(("feature-difference", "shared"), ("class-mean", "shared"), ("fixed", "shared")),
        *(("random", "shared"), ("max-probability", "shared"), ("max-probability", "budgeted")),
    )
    groups = grouped(
        [{**row, "name": target_name(row["target"])} for row in found.choices],
        *("method", "rule", "scheme", "name"),
    )
    rows = []
    for network in dict.fromkeys(row["method"] for row in found.choices):
        for rule, scheme in shown:
            plain, guarded = (groups[network, rule, scheme, target] for target in (PLAIN, GUARDED))
            told = [(lost(of), over(of, saved("macs"), 1)) for of in (plain, guarded)]
            rows.append(
                [f"`{network}`", str(len(plain)), rule_of(rule, scheme), *told[0], *told[1]]
            )
    head = ["network", "seeds", "rule", "loss, 0.3 asked", "MACs saved %"]
    return table([*head, "loss, harm ≤ 0.5", "MACs saved %"], rows)


def rivals(found: Sweeps, equal: str) -> str:
    """Points of accuracy that each rule is above a static rival at its MACs or its latency."""
    here = [row for row in found.rivals if row["equal"] == equal]
    columns = grouped(here, "rival")
    # The last exit is what losses are against everywhere else.
    last = f"exit {max(len(row['exits']) for row in found.fronts)}"
    names = [name for (name,) in columns if name != last]
    head = ["rule"]
    for name in names:
        of = columns[(name,)]
        cost = f"{of[0]['rival_macs'] / 1e6:.2f} MMAC"
        if equal == "latency":
            cost = f"{statistics.fmean(row['rival_latency_ms'] for row in of):.1f} ms"
        by_seed = [of_seed[0] for of_seed in grouped(of, "train_seed").values()]
        head.append(f"{name}: {over(by_seed, lambda row: 100 * row['rival_accuracy'])} %, {cost}")
    rows = []
    for (rule, scheme), of_rule in grouped(here, "rule", "scheme").items():
        of_rival = grouped(of_rule, "rival")
        rows.append([rule_of(rule, scheme), *(above(of_rival[(name,)]) for name in names)])
    return table(head, rows)


def above(rows: Sequence[Row]) -> str:
    """A difference; of one seed with the interval over the images."""
    shown = over(rows, lambda row: row["difference_points"])
    if len(rows) == 1 and shown != "–":
        low, high = rows[0]["difference_interval"]
        shown += f" ({low:.2f} to {high:.2f})"
    return shown


def ends(found: Sweeps) -> str:
    """What no rule can beat: the oracle; and what any has to: a fixed exit."""
    rows = []
    tested = [row for row in found.fronts if row["split"] == "test"]
    for rule in ("fixed", "oracle"):
        of_rule = grouped([row for row in tested if row["rule"] == rule], "train_seed").values()
        # Fixed candidates come as the validation split made them: what tells them is the exit.
        points: dict[str, list[Row]] = defaultdict(list)
        for row in (row for of_seed in of_rule for row in of_seed):
            leaves = max(range(len(row["exits"])), key=lambda b: row["exits"][b]) + 1
            points[f"`fixed` at exit {leaves}" if rule == "fixed" else "`oracle`"].append(row)
        for name, of in points.items():
            rows.append(
                [
                    name,
                    over(of, lambda row: 100 * row["accuracy"]),
                    over(of, lambda row: row["accuracy_loss_points"]),
                    over(of, lambda row: 100 * row["macs_saved_fraction"], 1),
                ]
            )
    return table(["", "accuracy %", "loss", "MACs saved %"], rows)


def promises(found: Sweeps) -> str:
    """How often limits are broken over resampled splits: the median and the worst rule."""
    named = [{**row, "name": target_name(row["target"])} for row in found.promises]
    rows = []
    for (target,), of_target in grouped(named, "name").items():
        rules = grouped(of_target, "rule", "scheme")
        told = [f"`{target}`"]
        for field in ("broken_fraction", "broken_on_test_fraction"):
            shares = [
                100 * statistics.fmean(row[field] for row in of_rule) for of_rule in rules.values()
            ]
            told += [f"{statistics.median(shares):.1f}", f"{max(shares):.1f}"]
        sure = rules["max-probability", "budgeted"]
        rows.append([*told, over(sure, lambda row: 100 * row["macs_saved_fraction"], 1)])
    head = ["limit, points", "median rule %", "worst %", "on the test split, median %", "worst %"]
    return table([*head, "`max-probability`, budgeted, saves %"], rows)


def batch() -> str:
    """Time of a native batch with exits against without."""
    kept = json.loads((KEPT / "native" / "batch.json").read_text(encoding="utf-8"))
    rows = []
    for network, of in kept["networks"].items():
        for name, told in of["against_never"].items():
            rule, _, scheme = name.partition(", ")
            count = sum(told["exit_counts"])
            low, high = told["time_ratio_95_percent"]
            rows.append(
                [
                    f"`{network}`",
                    rule_of(rule, scheme),
                    " / ".join(f"{100 * n / count:.0f}" for n in told["exit_counts"]),
                    f"{100 * (1 - told['macs_ratio']):.1f}",
                    f"{told['time_ratio']:.2f} ({low:.2f} to {high:.2f})",
                ]
            )
    return table(["network", "rule", "at exits %", "MACs saved %", "time of a batch, ×"], rows)


def tables() -> dict[str, str]:
    """All tables of the page by name, of what is kept."""
    found = sweeps()
    here = found.of(NETWORK)
    made = run_tables(FOLDER) | {"batch": batch()}
    if found.exits:
        made |= {"exits": exits(found), "networks": networks(found)}
    if here.choices:
        made |= {"plain": choices(here, PLAIN), "guarded": choices(here, GUARDED)}
        made["ends"] = ends(here)
    if here.promises:
        made["promises"] = promises(here)
    if here.rivals:
        made |= {f"equal-{equal}": rivals(here, equal) for equal in ("macs", "latency")}
    return made


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
