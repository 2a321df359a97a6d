"""Runs that are on disk: all below a folder, the one that a path means, the one to go on with."""

from __future__ import annotations

import contextlib
from importlib.resources import files
from pathlib import Path

import coinfer
from coinfer.errors import ResultError, UsageError
from coinfer.store.environment import Environment
from coinfer.store.runfolder import RunFolder, suite_sha256
from coinfer.suite import Suite


def find_runs(output: Path) -> list[RunFolder]:
    """Readable runs directly below a folder, newest first."""
    runs = []
    for path in output.glob("*/run.json"):
        with contextlib.suppress(ResultError):
            runs.append(RunFolder(path.parent))
    return sorted(runs, key=lambda run: (run.info.started, run.path.name), reverse=True)


def resolve_run(path: Path) -> RunFolder:
    """Run that a path means: a run folder, or the newest run in an output folder.

    ``reference/NAME`` is a run that comes with the package, where no such path exists.

    Raises
    ------
    UsageError
        If there is none.
    ResultError
        If it is damaged or of a newer schema.
    """
    if (path / "run.json").exists():
        return RunFolder(path)
    runs = find_runs(path)
    if runs:
        return runs[0]
    if not path.exists() and path.parts[:1] == ("reference",):
        return _shipped(path)
    damaged = sorted(path.glob("*/run.json"))
    if damaged:
        return RunFolder(damaged[-1].parent)
    what = "holds no run" if path.exists() else "does not exist"
    raise UsageError(
        f"{path}: {what}; give a run folder or the folder that 'coinfer run -o' was given"
    )


def _shipped(path: Path) -> RunFolder:
    package = Path(str(files("coinfer")))
    if (package / path / "run.json").exists():
        return RunFolder(package / path)
    named = sorted(
        run.parent.relative_to(package).as_posix() for run in package.glob("reference/**/run.json")
    )
    below = [name for name in named if name.startswith(f"{path.as_posix()}/")]
    raise UsageError(
        f"{path}: no run of that name comes with the package; there are {', '.join(below or named)}"
    )


def find_same(output: Path, suite: Suite, environment: Environment) -> RunFolder | None:
    """Newest run of the identical suite on this machine, if there is one: to go on with."""
    wanted = (suite_sha256(suite), environment.fingerprint, coinfer.__version__)
    for run in find_runs(output):
        if (run.info.suite_sha256, run.info.fingerprint, run.info.coinfer) == wanted:
            return run
    return None
