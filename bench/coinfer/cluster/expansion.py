"""From a declared fault list to concrete events, drawn by the seed.

Every device draws its own lot for every random pick, and the lowest lots are taken: a device that
is not taken changes nothing for the others. Entries draw by their kind, their target and how many
like them come before, so that other entries can be added without changing their luck.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from coinfer.cluster.clusters import Cluster
from coinfer.cluster.draws import uniform
from coinfer.cluster.faults import WINDOWS, Fault, FaultEvent, FaultList
from coinfer.cluster.spans import Moment, Span
from coinfer.errors import ClusterError, hint

MOST_EVENTS: Final = 100_000
"""Most events that one entry with a rate may be expected to have."""


class _Hit(NamedTuple):
    """One entry hitting one device."""

    cause: int
    fault: Fault
    device: str
    moment: Moment


def expand(faults: FaultList, cluster: Cluster, seed: int) -> tuple[FaultEvent, ...]:
    """Concrete events of a list, drawn by `seed`, in the order of the entries that cause them.

    Parameters
    ----------
    faults : FaultList
    cluster : Cluster
        Its devices are what ``"random"`` picks from; its groups are what ``"group:…"`` names.
    seed : int

    Raises
    ------
    ClusterError
        If a target is unknown, more devices are to be lost than there are, or two entries
        contradict each other.

    Examples
    --------
    >>> from coinfer.cluster.presets import CLUSTERS
    >>> one = FaultList(events=(Fault(kind="crash", target="d1", on_request=3),))
    >>> [(e.kind, e.target, e.on_request) for e in expand(one, CLUSTERS["mixed-4"], seed=0)]
    [('crash', 'd1', 3)]
    """
    return _Expansion(faults, cluster, seed).events()


class _Expansion:
    def __init__(self, faults: FaultList, cluster: Cluster, seed: int) -> None:
        self._names = cluster.names
        self._groups = cluster.groups
        self._seed = seed
        self._entries = faults.events
        self._keys = _keys(faults.events)
        self._hits: list[_Hit] = []
        self._down: dict[str, list[Span]] = {name: [] for name in self._names}
        self._windows: dict[tuple[str, str], list[Span]] = {}

    def events(self) -> tuple[FaultEvent, ...]:
        once = [entry for entry in enumerate(self._entries) if entry[1].rate_per_s is None]
        self._place_named([entry for entry in once if not entry[1].picks])
        # Crashes first: the others then pick among devices that are up.
        for cause, fault in sorted(once, key=lambda entry: entry[1].kind != "crash"):
            if fault.picks:
                self._place_drawn(cause, fault)
        self._place_rated([e for e in enumerate(self._entries) if e[1].rate_per_s is not None])
        place = {name: number for number, name in enumerate(self._names)}
        self._hits.sort(key=lambda hit: (hit.cause, hit.moment.value, place[hit.device]))
        made = [event for hit in self._hits for event in _made(hit)]
        return tuple(
            msgspec.structs.replace(event, number=number) for number, event in enumerate(made)
        )

    # Entries that say whom they hit, and when

    def _place_named(self, entries: Sequence[tuple[int, Fault]]) -> None:
        hits = [
            _Hit(cause, fault, device, _moment(fault))
            for cause, fault in entries
            for device in self._targets(cause, fault)
        ]
        ends = self._ends([hit for hit in hits if hit.fault.kind in ("crash", "rejoin")])
        crashes = [hit for hit in hits if hit.fault.kind == "crash"]
        for hit in crashes:
            span = Span(hit.moment, ends.get((hit.cause, hit.device), _end(hit)))
            for other in self._down[hit.device]:
                if span.meets(other):
                    raise ClusterError(
                        f"faults: event {hit.cause} crashes {hit.device!r} while another event "
                        "has it down; let it rejoin in between (rejoin_after_ms)"
                    )
            self._down[hit.device].append(span)
        for hit in hits:
            if hit.fault.kind in WINDOWS:
                if any(span.holds(hit.moment) for span in self._down[hit.device]):
                    raise ClusterError(
                        f"faults: event {hit.cause} ({hit.fault.kind}) hits {hit.device!r} while "
                        "it is down; choose another time or device"
                    )
                self._windows.setdefault((hit.fault.kind, hit.device), []).append(_window(hit))
        self._hits += hits

    def _ends(self, hits: Sequence[_Hit]) -> dict[tuple[int, str], float | None]:
        """When the devices that entries bring back are up again, by the crash's entry."""
        ends: dict[tuple[int, str], float | None] = {}
        for back in sorted(hits, key=lambda hit: hit.moment.value):
            if back.fault.kind != "rejoin":
                continue
            before = [
                hit
                for hit in hits
                if hit.fault.kind == "crash"
                and hit.device == back.device
                and hit.fault.rejoin_after_ms is None
                and (hit.cause, hit.device) not in ends
                and (hit.moment.clock != back.moment.clock or hit.moment < back.moment)
            ]
            if not before:
                raise ClusterError(
                    f"faults: event {back.cause} brings {back.device!r} back, and no event of "
                    "the list crashed it before; name the crash's device, or leave it out"
                )
            known = [hit for hit in before if hit.moment.clock == back.moment.clock]
            crash = max(known or before, key=lambda hit: hit.moment.value)
            ends[crash.cause, crash.device] = back.moment.value if known else None
        return ends

    def _targets(self, cause: int, fault: Fault) -> tuple[str, ...]:
        target = fault.target
        if isinstance(target, str) and target.startswith("group:"):
            group = target.removeprefix("group:")
            if group not in self._groups:
                raise ClusterError(
                    f"faults: event {cause}: unknown group {group!r}; "
                    f"{hint(group, self._groups) if self._groups else 'the cluster has no groups'}"
                )
            return self._groups[group]
        named = (target,) if isinstance(target, str) else target
        for name in named:
            if name not in self._names:
                raise ClusterError(
                    f"faults: event {cause}: unknown target {name!r}; {hint(name, self._names)}"
                )
        return named

    # Entries that draw whom they hit

    def _place_drawn(self, cause: int, fault: Fault) -> None:
        moment = _moment(fault)
        free = self._free(cause, fault, moment)
        if len(free) < fault.picks:
            raise ClusterError(
                f"faults: event {cause} finds no device left of {len(self._names)} that is up and "
                f"without {fault.kind}; shorten the list or use a larger cluster"
                if not free
                else f"faults: event {cause} wants {fault.picks} devices and finds {len(free)} of "
                f"{len(self._names)}; lower the number or use a larger cluster"
            )
        for device in self._lots(cause, 0, free)[: fault.picks]:
            self._place(_Hit(cause, fault, device, moment))

    def _place_rated(self, entries: Sequence[tuple[int, Fault]]) -> None:
        """Entries that come again and again: what cannot be when its time comes is left out."""
        times = sorted(
            (at_ns, cause, number)
            for cause, fault in entries
            for number, at_ns in enumerate(self._times(cause, fault))
        )
        for at_ns, cause, number in times:
            fault, moment = self._entries[cause], Moment("time", at_ns)
            free = self._free(cause, fault, moment)
            taken = self._lots(cause, number, free)[: fault.picks] if fault.picks else free
            for device in taken:
                self._place(_Hit(cause, fault, device, moment))

    def _times(self, cause: int, fault: Fault) -> Iterator[int]:
        assert fault.rate_per_s is not None
        expected = fault.rate_per_s * fault.until_ms / 1e3
        if expected > MOST_EVENTS:
            raise ClusterError(
                f"faults: event {cause} would come {expected:.0f} times; use at most "
                f"{MOST_EVENTS}: lower rate_per_s or until_ms"
            )
        at_s, number = 0.0, 0
        while True:
            draw = uniform(self._seed, "fault-gap", self._keys[cause], number)
            at_s -= math.log(1.0 - draw) / fault.rate_per_s
            if at_s * 1e3 >= fault.until_ms:
                return
            yield round(at_s * 1e9)
            number += 1

    def _free(self, cause: int, fault: Fault, moment: Moment) -> list[str]:
        """Devices that an entry may hit at a moment: of all, or of those that it names."""
        names = self._names if fault.picks else self._targets(cause, fault)
        return [name for name in names if self._may_hit(fault, name, moment)]

    def _may_hit(self, fault: Fault, device: str, moment: Moment) -> bool:
        hit = _Hit(0, fault, device, moment)
        if fault.kind == "crash":
            # What cannot be told counts as a clash: nothing may crash twice.
            span = Span(moment, _end(hit))
            return all(span.meets(other) is False for other in self._down[device])
        if any(span.holds(moment) for span in self._down[device]):
            return False
        same = self._windows.get((fault.kind, device), ()) if fault.picks else ()
        return not any(_window(hit).meets(other) for other in same)

    def _lots(self, cause: int, number: int, devices: Sequence[str]) -> list[str]:
        """Devices in the order of their lots."""
        key = ("fault-target", self._keys[cause], number)
        return sorted(devices, key=lambda device: uniform(self._seed, *key, device))

    def _place(self, hit: _Hit) -> None:
        self._hits.append(hit)
        if hit.fault.kind == "crash":
            self._down[hit.device].append(Span(hit.moment, _end(hit)))
        else:
            self._windows.setdefault((hit.fault.kind, hit.device), []).append(_window(hit))


def _keys(entries: Sequence[Fault]) -> list[str]:
    """What each entry draws by."""
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for fault in entries:
        like = fault.kind, str(fault.target)
        keys.append(f"{fault.kind} {fault.target} {seen[like]}")
        seen[like] += 1
    return keys


def _ns(ms: float | None) -> int:
    return round((ms or 0.0) * 1e6)


def _moment(fault: Fault) -> Moment:
    if fault.on_request is not None:
        return Moment("request", fault.on_request)
    return Moment("time", _ns(fault.at_ms))


def _end(hit: _Hit) -> float | None:
    """When a device that crashed comes back by itself."""
    if hit.fault.rejoin_after_ms is None:
        return math.inf
    if hit.moment.clock == "request":
        return None
    return hit.moment.value + _ns(hit.fault.rejoin_after_ms)


def _window(hit: _Hit) -> Span:
    if hit.moment.clock == "request":
        return Span(hit.moment, None)
    return Span(hit.moment, hit.moment.value + _ns(hit.fault.duration_ms))


def _made(hit: _Hit) -> Iterator[FaultEvent]:
    fault, moment = hit.fault, hit.moment
    at_ns = moment.value if moment.clock == "time" else None
    on_request = moment.value if moment.clock == "request" else None
    yield FaultEvent(
        kind=fault.kind,
        target=hit.device,
        at_ns=at_ns,
        on_request=on_request,
        duration_ns=_ns(fault.duration_ms),
        probability=fault.probability,
        factor=1.0 if fault.factor is None else fault.factor,
        delay_ns=_ns(fault.delay_ms),
        cause=hit.cause,
    )
    if fault.rejoin_after_ms is not None:
        after_ns = _ns(fault.rejoin_after_ms)
        yield FaultEvent(
            kind="rejoin",
            target=hit.device,
            at_ns=None if at_ns is None else at_ns + after_ns,
            on_request=on_request,
            after_ns=0 if at_ns is not None else after_ns,
            cause=hit.cause,
        )
