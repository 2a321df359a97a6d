"""Every error class of the suite. Each message names the offending value and the next step."""

from __future__ import annotations

from collections.abc import Iterable


class CoinferError(Exception):
    """Base of all errors that the command line shows as one line.

    Attributes
    ----------
    exit_code : int
        What the command line exits with: 1 harness error, 2 usage or bad input,
        3 cells failed, 4 regression, 5 not comparable.
    """

    exit_code = 1


class UsageError(CoinferError):
    """A value given by the user cannot be used as it is."""

    exit_code = 2


class SuiteError(UsageError):
    """A suite file is malformed; the message has the file and the path inside it."""


class ClusterError(UsageError):
    """A cluster, link or fault list is impossible or inconsistent."""


class PlanError(UsageError):
    """No feasible deployment exists; the message names the binding constraint."""


class DatasetError(UsageError):
    """A data set is missing or damaged; the message says where it was looked for."""


class ArtifactError(CoinferError):
    """A stored model is missing, damaged, or does not match its address."""


class ContractError(CoinferError):
    """A method broke the contract of the runtime (unknown stage, answer given twice, …)."""


class ExecutionError(CoinferError):
    """A cell could not be executed (process did not start, density too high, …)."""


class ResultError(CoinferError):
    """A stored result is corrupt, of another schema, or cannot be compared."""

    exit_code = 5


def hint(value: str, allowed: Iterable[str]) -> str:
    """Say what to write instead of `value`: the closest allowed name, and all of them."""
    # Every command would wait for what few need.
    import difflib

    names = list(allowed)
    close = difflib.get_close_matches(value, names, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}allowed: {', '.join(names)}"
