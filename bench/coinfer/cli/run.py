"""``coinfer run``: span the matrix, run what is not done, report."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from coinfer.cli.console import RUNS, output_console
from coinfer.cli.options import AxisOption, MethodOption

if TYPE_CHECKING:
    from coinfer.store import RunFolder
    from coinfer.suite import Cell


class Where(StrEnum):
    """What carries cells out."""

    LOCAL = "local"
    DASK = "dask"


class _Terminated(KeyboardInterrupt):
    """SIGTERM came; ends a run the way Ctrl-C does."""


def run(
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or a TOML file.")],
    method: MethodOption = None,
    axis: AxisOption = None,
    seed: Annotated[str | None, typer.Option(help="Run seeds: 3, 0..4 or [1,2].")] = None,
    mode: Annotated[str | None, typer.Option(help="virtual, realtime or native.")] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(help="Run on the cluster of this file; with --mode native on its boards."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("-n", "--dry-run", help="Print the cells and the time they take, and stop."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force/--skip-existing", help="Start anew, or do only what is missing."),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run cells again that have failed.")
    ] = False,
    twice: Annotated[
        bool, typer.Option("--aa", help="Run each cell twice: how much figures differ by chance.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds after which a cell is ended and has failed."),
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
        int | None,
        typer.Option("-j", "--workers", min=1, help="Virtual cells, and trainings, at a time."),
    ] = None,
    where: Annotated[
        Where, typer.Option("--executor", help="Who carries cells out: this machine, or Dask.")
    ] = Where.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option(help="Of Dask, with --executor dask: tcp://HOST:PORT.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the result folder and nothing else.")
    ] = False,
) -> None:
    """Run a suite, or what is left of it, and report."""
    from coinfer.cli import engine
    from coinfer.cli.beforehand import show_cells, told_time
    from coinfer.cli.choose import cells_of, overrides_of
    from coinfer.cli.perform import perform
    from coinfer.cli.session import todo
    from coinfer.runtime.realtime.machine import cores
    from coinfer.store import RunFolder, find_same
    from coinfer.store.output import check_writable
    from coinfer.store.timings import estimate

    _check_where(where, scheduler, workers)
    chosen = overrides_of(method or (), axis or (), seed, mode)
    resolved, cells = cells_of(
        suite,
        chosen,
        timeline,
        allow_oversubscribed=allow_oversubscribed,
        inventory=inventory,
    )
    trainers = workers or cores()
    workers = _workers(workers, cells)
    check_writable(output)
    engine.check(cells, resolved.origin)
    with engine.executor(
        cells, workers=workers, trainers=trainers, scheduler=scheduler, say=_say
    ) as executor:
        environment = executor.environment
        folder = None if force else find_same(output, resolved, environment)
        what = partial(
            todo,
            cells=cells,
            inputs_hash=engine.inputs_hash,
            retry_failed=retry_failed,
            twice=twice,
        )
        if dry_run:
            plan = what(folder)
            show_cells(cells, plan)
            known = estimate(
                plan.cells, output, resolved, environment.fingerprint, executor.workers
            )
            typer.echo(told_time(known, len(plan.cells)), err=True)
            return
        # Ctrl-C during the seconds before the first cell must also end in one line.
        before = signal.signal(signal.SIGTERM, _on_sigterm)
        try:
            folder = folder or RunFolder.create(output, resolved, cells, environment)
            perform(folder, cells, what, executor, timeout, quiet=quiet)
        except KeyboardInterrupt as stop:
            _say_stopped(folder, stop)
        finally:
            signal.signal(signal.SIGTERM, before)
    _report(folder, quiet)


def _report(folder: RunFolder, quiet: bool) -> None:
    from coinfer.report import show_run

    contents = folder.contents()
    if quiet:
        typer.echo(str(folder.path))
    else:
        show_run(output_console(), folder, contents)
    if any(stored.status == "failed" for stored in contents.cells):
        raise typer.Exit(3)


def _check_where(where: Where, scheduler: str | None, workers: int | None) -> None:
    from coinfer.errors import UsageError

    if where is Where.LOCAL and scheduler is not None:
        raise UsageError(f"--scheduler {scheduler}: is for --executor dask; give that, too")
    if where is Where.DASK and scheduler is None:
        raise UsageError("--executor dask: also give --scheduler tcp://HOST:PORT")
    if where is Where.DASK and workers is not None:
        raise UsageError(
            f"-j {workers}: is for this machine; of Dask, every worker says how many cells it "
            "takes (--nthreads)"
        )


def _workers(asked: int | None, cells: Sequence[Cell]) -> int:
    from coinfer.errors import UsageError
    from coinfer.runtime.realtime.machine import cores

    real = [cell for cell in cells if cell.mode != "virtual"]
    if real and asked not in (None, 1):
        raise UsageError(
            f"-j {asked}: cells of mode {real[0].mode!r} run one at a time, or they would disturb "
            "each other; leave -j out"
        )
    if real:
        return 1
    return asked or min(cores(), max(1, len(cells)))


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _say_stopped(folder: RunFolder | None, stop: KeyboardInterrupt) -> NoReturn:
    kept = f"what is done is kept in {folder.path}; " if folder else ""
    typer.echo(f"\nstopped: {kept}the same command does the rest", err=True)
    raise typer.Exit(143 if isinstance(stop, _Terminated) else 130) from None
