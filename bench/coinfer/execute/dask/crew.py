"""The workers of a scheduler that take part in a run: each is looked at, also who joins late."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from distributed import Client

import coinfer
from coinfer.errors import UsageError
from coinfer.execute.dask.station import Greeting, greet, offer, receive
from coinfer.store import Environment
from coinfer.training import Zoo

MACHINE: Final = "machine"
"""Resource that workers are started with: a cell that is timed takes all of it."""

START: Final = f'dask worker ADDRESS --resources "{MACHINE}=1"'


class Crew:
    """Workers that would do the same with a cell as this machine.

    Parameters
    ----------
    client : Client
    wanted : mapping of str to str
        Digests of what a worker has to have, see `foundation`.
    exclusive : bool
        Whether there are cells that are timed: then there is one worker a machine.
    say : callable
        Told in a line about workers that come, go, or are not used.

    Attributes
    ----------
    environment : Environment
        Of the machines, which are of one kind.
    token : str
        Resource that members offer, and nobody else.
    """

    def __init__(
        self,
        client: Client,
        wanted: Mapping[str, str],
        *,
        exclusive: bool,
        say: Callable[[str], None],
    ) -> None:
        self.environment: Environment
        self.token = f"coinfer-{uuid.uuid4()}"
        self._client = client
        self._wanted = dict(wanted)
        self._stock: dict[str, str] = {}
        self._exclusive = exclusive
        self._say = say
        self._members: dict[str, Greeting] = {}
        self._refused: dict[str, str] = {}
        self._gather()

    @property
    def workers(self) -> int:
        """Cells at a time."""
        threads = self._present()
        return max(1, sum(threads.get(address, 0) for address in self._members))

    def require(self, wanted: Mapping[str, str], stock: Mapping[str, str]) -> None:
        """Also ask for this from now on; weights that a member lacks are sent to it."""
        self._wanted |= wanted
        self._stock |= stock
        self._admit(list(self._members))
        self._check()

    def refresh(self) -> None:
        """Look who joined and who left."""
        present = self._present()
        gone = self._members.keys() - present.keys()
        for address in gone:
            machine = self._members.pop(address).machine
            left = f"{len(self._members)} left" if self._members else "waiting for another"
            self._say(f"worker {address} on {machine} is gone; {left}")
        if gone:
            # Another may be of use now that was not beside them.
            self._refused.clear()
        joined = present.keys() - self._members.keys() - self._refused.keys()
        for address in self._admit(joined):
            self._say(f"worker {address} on {self._members[address].machine} joined")

    def _gather(self) -> None:
        present = self._present()
        if not present:
            raise UsageError(f"no worker has joined the scheduler yet; start one: {START}")
        greetings = self._greetings(present)
        kinds = Counter(
            g.environment.fingerprint for g in greetings.values() if isinstance(g, Greeting)
        )
        if kinds:
            # Of several kinds the one with most workers; where there are as many, always the same.
            kind = max(kinds, key=lambda fingerprint: (kinds[fingerprint], fingerprint))
            self.environment = next(
                g.environment
                for g in greetings.values()
                if isinstance(g, Greeting) and g.environment.fingerprint == kind
            )
        self._admit(present, greetings)
        self._check()

    def _check(self) -> None:
        if not self._members:
            reason = next(iter(self._refused.values()), "none is left")
            raise UsageError(f"the scheduler has no worker that can be used: {reason}")

    def _present(self) -> dict[str, int]:
        """Threads of every worker, by address."""
        threads: dict[str, int] = self._client.nthreads()
        return threads

    def _greetings(self, addresses: Iterable[str]) -> dict[str, Greeting | BaseException]:
        found: dict[str, Greeting | BaseException] = self._run(
            greet, addresses, sorted(self._wanted), self._stock
        )
        return found

    def _run(self, function: Callable[..., Any], addresses: Iterable[str], *args: Any) -> Any:
        """Call a function on workers; where it cannot be done, its error is what comes back."""
        return self._client.run(function, *args, workers=list(addresses), on_error="return")

    def _admit(
        self,
        addresses: Collection[str],
        greetings: Mapping[str, Greeting | BaseException] | None = None,
    ) -> list[str]:
        """Take workers in, after a look at them; gives those that are now members."""
        if not addresses:
            return []
        for address, greeting in (greetings or self._greetings(addresses)).items():
            before = self._members.pop(address, None)
            problem = self._problem(greeting)
            if problem is None and isinstance(greeting, Greeting):
                problem = self._equip(address, greeting)
            if problem is None and isinstance(greeting, Greeting):
                self._members[address] = greeting
                continue
            self._refused[address] = f"{address}: {problem}"
            self._say(f"worker {address} is not used: {problem}")
            if before is not None:
                self._run(offer, [address], self.token, 0.0)
        return [address for address in addresses if address in self._members]

    def _equip(self, address: str, greeting: Greeting) -> str | None:
        """Send a worker the weights that it lacks, and have it take orders."""
        zoo = Zoo()
        for artifact in greeting.lacking:
            (sent,) = self._run(receive, [address], artifact, zoo.pack(artifact)).values()
            if isinstance(sent, BaseException):
                return f"it cannot keep weights in its zoo: {sent}"
        self._run(offer, [address], self.token, 1.0)
        return None

    def _problem(self, greeting: Greeting | BaseException) -> str | None:
        """Why a worker is not to be used, with what to do about it."""
        if isinstance(greeting, ModuleNotFoundError):
            return f"{greeting}; install 'coinfer[dask]' there"
        if isinstance(greeting, BaseException):
            return f"it does not answer: {type(greeting).__name__}: {greeting}"
        if greeting.coinfer != coinfer.__version__:
            return f"it has coinfer {greeting.coinfer}, this is {coinfer.__version__}"
        others = [
            label for label, digest in self._wanted.items() if greeting.digests[label] != digest
        ]
        if others:
            return (
                f"it has another {', another '.join(others)}; install the same as here, and start "
                "it again"
            )
        if greeting.other:
            return (
                f"its zoo has other weights at {greeting.other[0]}; give it another folder by "
                "COINFER_ZOO"
            )
        if greeting.resources.get(MACHINE, 0) < 1:
            return f"it offers no resource {MACHINE!r}; start it with: {START}"
        if greeting.environment.fingerprint != self.environment.fingerprint:
            return (
                f"it is another kind of machine ({_kind(greeting.environment)}) than the others "
                f"({_kind(self.environment)}): results would differ; give it a run of its own"
            )
        return self._beside(greeting)

    def _beside(self, greeting: Greeting) -> str | None:
        for address, other in self._members.items():
            if self._exclusive and other.boot == greeting.boot:
                return (
                    f"{address} is on the same machine, {greeting.machine}, and cells are timed: "
                    "start one worker a machine, with --nthreads for those that are not"
                )
            if other.machine == greeting.machine and other.boot != greeting.boot:
                return f"another machine is called {greeting.machine}, too; give each its own name"
        return None


def _kind(environment: Environment) -> str:
    told = environment.identity
    return f"{told['cpu']}, torch {told['torch']}, numpy {told['numpy']}"
