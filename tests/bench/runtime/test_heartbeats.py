"""Heartbeats worked out from silences, against beats that are sent and heard one by one."""

from __future__ import annotations

from heapq import heappop, heappush

from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.cluster import Cluster, Device, Link
from coinfer.runtime.heartbeats import Heartbeats
from coinfer.runtime.realtime.liveness import Liveness

MS = 1_000_000
BEAT, TIMEOUT, END = 10, 30, 400


def one_by_one(silences):
    """What the source believes, from every single beat and a clock that ticks."""
    news, heard, lost = [], 0, False
    silences = joined(silences)
    for now in range(END):
        # A beat is still heard at the first moment of a silence, and again when it ends.
        if now % BEAT == 0 and not any(begin < now < end for begin, end in silences):
            heard = now
            if lost:
                lost = False
                news.append((now, True))
        if not lost and now >= heard + TIMEOUT:
            lost = True
            news.append((now, False))
    return news


def joined(silences):
    """Silences that meet are one."""
    spans = []
    for begin, end in sorted(silences):
        if spans and begin <= spans[-1][1]:
            former = spans.pop()
            begin, end = former[0], max(former[1], end)
        spans.append((begin, end))
    return spans


def worked_out(silences):
    """The same, from the beginnings and ends of the silences alone."""
    hearts = Heartbeats(BEAT, TIMEOUT)
    heap: list[tuple[int, int, str, int]] = []
    for number, (begin, end) in enumerate(silences):
        heappush(heap, (begin, 0, "mute", number))
        heappush(heap, (end, 0, "unmute", number))
    news = []
    while heap and heap[0][0] < END:
        now, _, what, number = heappop(heap)
        if what == "look":
            alive = hearts.look("d", now)
            if alive is not None:
                news.append((now, alive))
            continue
        due = getattr(hearts, what)("d", number, now)
        if due is not None:
            heappush(heap, (due, 1, "look", 0))
    return news


SILENCE = st.tuples(st.integers(0, 300), st.integers(1, 120)).map(lambda s: (s[0], s[0] + s[1]))


@given(silences=st.lists(SILENCE, max_size=5))
@settings(max_examples=500, deadline=None)
def test_beliefs_are_those_of_a_source_that_hears_every_beat(silences):
    assert worked_out(silences) == one_by_one(silences)


def with_a_clock(silences, interrupt):
    """The same by the clock of a real run: half of the silences are those of a link."""
    cluster = Cluster(
        devices=(Device("d", macs_per_s=1.0),),
        links={"*": Link(1.0)},
        heartbeat_ms=BEAT,
        heartbeat_timeout_ms=TIMEOUT,
    )
    watch, news = Liveness(cluster), []
    for now in range(END):
        for number, (begin, end) in enumerate(silences):
            if interrupt(number) and begin == now:
                # A beat at the first moment is still heard.
                if now % BEAT == 0:
                    watch.heard("d", now * MS)
                watch.mute("d", end * MS)
        stopped = any(b < now < e for n, (b, e) in enumerate(silences) if not interrupt(n))
        if now % BEAT == 0 and not stopped:
            watch.heard("d", now * MS)
        news += [(now, alive) for _, alive in watch.news(now * MS)]
    return news


@given(silences=st.lists(SILENCE, max_size=5))
@settings(max_examples=200, deadline=None)
def test_real_time_believes_the_same(silences):
    silences = joined(silences)
    assert with_a_clock(silences, lambda number: number % 2 == 0) == one_by_one(silences)
