"""The top of the page: answers, what to mind, and the table of all settings."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from coinfer.report.answer import answers
from coinfer.report.faults import fault_lines
from coinfer.report.html.figures.tradeoffs import cost_text, interval_text
from coinfer.report.html.material import Line, Material, Setting, Shown, Table
from coinfer.report.numbers import amount, percent
from coinfer.report.settings import mean_figure
from coinfer.store import Contents, StoredCell

_STATUSES: Final = ("ok", "degraded", "timeout", "failed")


class Answer(NamedTuple):
    """A run's question, what answers it, and what is added."""

    run: str
    question: str
    headline: list[str]
    also: list[str]


def answer(shown: Shown) -> Answer:
    """What the suite of a run asked and what came out."""
    suite = shown.folder.info.suite
    done = [stored for stored in shown.contents.cells if stored.status == "done"]
    head = suite.report.headline
    headline = answers(head, done) if head is not None and done else []
    also = [said for finding in suite.report.also if done for said in answers(finding, done)]
    return Answer(shown.name, suite.question, headline, also)


class Flag(NamedTuple):
    """Something to mind: how grave (``bad``, ``warn`` or ``note``), what kind, and which."""

    grave: str
    kind: str
    text: str


def flags(shown: Shown) -> list[Flag]:
    """Everything that limits what the run says; the gravest first, and nothing left out."""
    contents = shown.contents
    total = len(contents.cells) + len(contents.corrupt) + len(contents.missing)
    found = [
        Flag("bad", "failed", f"{cell_name(s)}: {s.error}")
        for s in contents.cells
        if s.status == "failed"
    ]
    found += [Flag("bad", "corrupt", line) for line in contents.corrupt]
    found += _fidelity(contents)
    if contents.missing:
        found.append(Flag("warn", "not done", f"{len(contents.missing)} of {total} cells"))
    warnings = Counter(w for s in contents.cells for w in dict.fromkeys(_warnings(s)))
    cells = len(contents.cells)
    found += [
        Flag("warn", "warning", f"{text} (in {count} of {cells} cells)")
        for text, count in warnings.items()
    ]
    return found + [Flag("note", "faults", line) for line in fault_lines(contents)]


def results(material: Material) -> Table:
    """One line a setting, whether its cells are done or not."""
    return Table(
        "All settings. Accuracy counts an unanswered request as wrong, with its 95 % interval over "
        "seeds; percentiles of the latency are medians over seeds; MACs, bytes and messages are "
        "means per request; the statuses are sums of requests.",
        (
            *(*material.axes, "cells", "accuracy (95 %)", "p50", "p95", "MACs", "bytes up"),
            *("messages", "/".join(_STATUSES)),
        ),
        [_line(material, setting) for setting in material.settings],
    )


def cell_name(stored: StoredCell) -> str:
    """All coordinates that tell a cell from its neighbours in words."""
    cell = stored.cell
    return (
        f"{cell.method.variant}, {cell.cluster_name}, faults {cell.faults_name}, {cell.encoding}, "
        f"{cell.mode}, seeds {cell.train_seed}/{cell.run_seed}, repeat {cell.repeat}"
    )


def verdict(stored: StoredCell) -> str:
    """What is wrong with a cell in a word; empty: nothing."""
    if stored.status == "failed":
        return "failed"
    found = (stored.figures.get("fidelity") or {}).get("verdict", "VALID")
    if found != "VALID":
        return str(found).lower()
    return "warning" if _warnings(stored) else ""


def _warnings(stored: StoredCell) -> list[str]:
    return list(stored.figures.get("warnings", ()))


def _fidelity(contents: Contents) -> list[Flag]:
    verdicts = Counter(
        f["verdict"] for s in contents.cells if (f := s.figures.get("fidelity")) is not None
    )
    grave = {"UNTRUSTWORTHY": "bad", "MARGINAL": "warn"}
    total = sum(verdicts.values())
    return [
        Flag(grave[name], "fidelity", f"{verdicts[name]} of {total} real-time cells are {name}")
        for name in grave
        if verdicts[name]
    ]


def _line(material: Material, setting: Setting) -> Line:
    done = setting.done
    cells = (
        str(len(done))
        if len(done) == len(setting.cells)
        else (f"{len(done)} of {len(setting.cells)}")
    )
    kinds = Counter(verdict(stored) for stored in setting.cells)
    flag = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if kind)
    at = [setting.at[axis] for axis in material.axes]
    if not done:
        return Line((setting.number,), (*at, cells, *["-"] * 7), flag)
    statuses = [str(sum(s.figures[name] for s in done)) for name in _STATUSES]
    means = ("macs_per_request", "bytes_up_per_request", "messages_per_request")
    return Line(
        (setting.number,),
        (
            *(*at, cells, f"{percent(mean_figure(done, 'accuracy'))} ({interval_text(setting)})"),
            *(cost_text(setting, "latency_p50_ms"), cost_text(setting, "latency_p95_ms")),
            *(amount(mean_figure(done, name)) for name in means),
            "/".join(statuses),
        ),
        flag,
    )
