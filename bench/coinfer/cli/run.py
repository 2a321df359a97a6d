"""``coinfer run``: span the matrix, run what is not done, report."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from coinfer.cli.console import RUNS, output_console, progress_console
from coinfer.cli.options import AxisOption, MethodOption

if TYPE_CHECKING:
    from coinfer.store import RunFolder
    from coinfer.suite import Cell


class _Terminated(KeyboardInterrupt):
    """SIGTERM came; ends a run the way Ctrl-C does."""


def run(
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or a TOML file.")],
    method: MethodOption = None,
    axis: AxisOption = None,
    seed: Annotated[str | None, typer.Option(help="Run seeds: 3, 0..4 or [1,2].")] = None,
    mode: Annotated[str | None, typer.Option(help="virtual, realtime or native.")] = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Print the cells and stop.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force/--skip-existing", help="Start anew, or do only what is missing."),
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds after which a cell has failed.")
    ] = None,
    timeline: Annotated[
        str | None,
        typer.Option(help="Requests to keep a timeline of: 3, 0..9 or 0..4,100."),
    ] = None,
    allow_oversubscribed: Annotated[
        bool,
        typer.Option(
            "--allow-oversubscribed",
            help="Run in real time even where the cores cannot keep up (UNTRUSTWORTHY).",
        ),
    ] = False,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder that gets one folder a run.")
    ] = RUNS,
    workers: Annotated[
        int | None, typer.Option("-j", "--workers", min=1, help="Cells at a time (virtual only).")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the result folder and nothing else.")
    ] = False,
) -> None:
    """Run a suite, or what is left of it, and report."""
    from coinfer.cli import engine
    from coinfer.cli.choose import cells_of, overrides_of
    from coinfer.store import RunFolder, capture
    from coinfer.store.runfolder import check_writable

    chosen = overrides_of(method or (), axis or (), seed, mode)
    resolved, cells = cells_of(suite, chosen, timeline, allow_oversubscribed=allow_oversubscribed)
    workers = _workers(workers, cells)
    check_writable(output)
    engine.check(cells, resolved.origin)
    environment = capture()
    folder = None if force else RunFolder.resume(output, resolved, environment)
    if dry_run:
        _show_cells(folder, cells)
        return
    # Ctrl-C during the seconds before the first cell must also end in one line.
    before = signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        folder = folder or RunFolder.create(output, resolved, cells, environment)
        _carry_out(folder, cells, workers, timeout, quiet)
    except KeyboardInterrupt as stop:
        _say_stopped(folder, stop)
    finally:
        signal.signal(signal.SIGTERM, before)
    _report(folder, quiet)


def _carry_out(
    folder: RunFolder,
    cells: Sequence[Cell],
    workers: int,
    timeout_s: float | None,
    quiet: bool,
) -> None:
    from coinfer.cli import engine
    from coinfer.cli.session import carry_out, todo
    from coinfer.cli.training_view import TrainingView
    from coinfer.cli.view import view_for

    console = progress_console()
    with folder.writing():
        # What a result depends on includes the weights, so they are made before anything is
        # called done; with a full zoo this says nothing.
        with TrainingView(console, quiet) as training:
            engine.train(cells, training.progress)
        left, hashes = todo(folder, tuple(cells), engine.inputs_hash)
        if left and not quiet:
            console.print(_percentiles(left))
        if len(left) < len(cells) and not quiet:
            done = len(cells) - len(left)
            console.print(f"{done} of {len(cells)} cells are already done (--force runs them anew)")
        with view_for(console, len(left), quiet) as view:
            finished = engine.run_cells(
                left, workers=workers, timeout_s=timeout_s, on_progress=view.progress
            )
            carry_out(folder, hashes, finished, view)


def _report(folder: RunFolder, quiet: bool) -> None:
    from coinfer.report import show_run

    contents = folder.contents()
    if quiet:
        typer.echo(str(folder.path))
    else:
        show_run(output_console(), folder, contents)
    if any(stored.status == "failed" for stored in contents.cells):
        raise typer.Exit(3)


def _show_cells(folder: RunFolder | None, cells: Sequence[Cell]) -> None:
    from coinfer.cli import engine
    from coinfer.cli.session import todo

    left = {c.key for c in (todo(folder, tuple(cells), engine.inputs_hash)[0] if folder else cells)}
    for cell in cells:
        typer.echo(f"{'run ' if cell.key in left else 'done'}  {cell.key}")
    typer.echo(f"{len(cells)} cells, {len(cells) - len(left)} of them already done", err=True)
    if cells:
        typer.echo(_percentiles(cells), err=True)


def _percentiles(cells: Sequence[Cell]) -> str:
    """Say before the run what its requests are enough for; all cells have the same workload."""
    from coinfer.metrics import percentiles_told

    workload = cells[0].workload
    return percentiles_told(workload.requests - workload.warm_up)


def _workers(asked: int | None, cells: Sequence[Cell]) -> int:
    from coinfer.errors import UsageError

    real = [cell for cell in cells if cell.mode != "virtual"]
    if real and asked not in (None, 1):
        raise UsageError(
            f"-j {asked}: cells of mode {real[0].mode!r} run one at a time, or they would disturb "
            "each other; leave -j out"
        )
    if real:
        return 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return asked or min(usable or 1, max(1, len(cells)))


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _say_stopped(folder: RunFolder | None, stop: KeyboardInterrupt) -> NoReturn:
    kept = f"what is done is kept in {folder.path}; " if folder else ""
    typer.echo(f"\nstopped: {kept}the same command does the rest", err=True)
    raise typer.Exit(143 if isinstance(stop, _Terminated) else 130) from None
