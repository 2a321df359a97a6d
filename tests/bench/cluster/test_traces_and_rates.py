"""Traces are read as they are, or refused by line; rates follow them to the nanosecond."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coinfer.cluster import Link, Rates, RateStep, Workload
from coinfer.cluster.traces import read_arrivals, read_rates
from coinfer.errors import ClusterError

WIFI = "at_ms,up_bps,down_bps\n0,1e6,4e6\n10,0,4e6\n30, 2e6 ,0\n\n"


def test_a_trace_says_rates_and_their_mean_is_what_planners_go_by():
    link = Link(trace="wifi.csv", latency_ms=2).read({"wifi.csv": WIFI}.__getitem__)
    assert link.trace == (
        RateStep(0, 1e6, 4e6),
        RateStep(10, 0, 4e6),
        RateStep(30, 2e6, 0),
    )
    # The last step lasts as long as the one before it: 10 + 20 + 20 ms.
    assert link.up_bps == pytest.approx((1e6 * 10 + 2e6 * 20) / 50)
    assert link.down_bps == pytest.approx(4e6 * 30 / 50)
    assert link.latency_ms == 2
    believed = Link(up_bps=5, down_bps=6, trace="wifi.csv").read(lambda _: WIFI)
    assert (believed.up_bps, believed.down_bps) == (5, 6)


def test_bits_leave_at_the_rates_of_the_trace_which_repeats():
    link = Link(trace="wifi.csv").read(lambda _: WIFI)
    up, down = Rates(link, "up"), Rates(link, "down")
    ms = 1_000_000
    assert up.sent_ns(0, 5_000) == 5 * ms
    assert up.sent_ns(0, 10_000) == 10 * ms, "the last bit leaves before the pause, not after"
    assert up.sent_ns(0, 10_002) == 30 * ms + 1_000
    assert up.sent_ns(15 * ms, 2_000) == 31 * ms, "what comes in the pause waits for its end"
    assert up.sent_ns(0, 50_000) == 50 * ms
    assert up.sent_ns(40 * ms, 20_000 + 1_000) == 51 * ms
    assert up.sent_ns(1040 * ms, 20_000 + 1_000) == 1051 * ms
    assert up.sent_ns(7 * ms, 0) == 7 * ms
    assert down.sent_ns(0, 120_000) == 30 * ms
    assert down.sent_ns(0, 120_004) == 50 * ms + 1_000
    assert down.sent_ns(35 * ms, 4) == 50 * ms + 1_000


def test_without_a_trace_or_with_one_step_the_rate_is_steady():
    link = Link(up_bps=8e6, down_bps=1e6)
    assert Rates(link, "up").sent_ns(7, 800) == 100_007
    assert Rates(link, "down").sent_ns(7, 800) == 800_007
    one = Link(trace=(RateStep(0, 8e6, 1e6),))
    assert (one.up_bps, one.down_bps) == (8e6, 1e6)
    assert Rates(one, "down").sent_ns(7, 800) == 800_007
    assert Link(up_bps=3).down_bps == 3


steps = st.lists(
    st.tuples(st.integers(1, 50), st.sampled_from([0, 1000, 64_000, 1_000_000])),
    min_size=2,
    max_size=6,
).filter(lambda all_: any(rate for _, rate in all_))


@given(steps, st.integers(0, 10**9), st.integers(1, 10**5))
def test_rates_agree_with_exact_arithmetic(spans, start_ns, bits):
    at, made = 0, []
    for lasts, rate in spans:
        made.append(RateStep(at, rate, 1))
        at += lasts
    link = Link(trace=tuple(made))
    lasts_ms = [lasts for lasts, _ in spans[:-1]]
    pieces = [
        (ms * 10**6, rate) for ms, (_, rate) in zip([*lasts_ms, lasts_ms[-1]], spans, strict=True)
    ]
    if not sum(span * rate for span, rate in pieces):
        return
    period = sum(span for span, _ in pieces)
    whole = Fraction(sum(span * rate for span, rate in pieces), 10**9)
    now, left = Fraction(start_ns // period * period), Fraction(bits)
    skip, first = start_ns % period, True
    laps = max(0, int(left // whole) - 1)
    now, left = now + laps * period, left - laps * whole
    while True:
        for span, rate in pieces:
            length = span
            if first and skip:
                passed = min(skip, span)
                skip, length = skip - passed, span - passed
                now += passed
            if rate and left <= Fraction(length * rate, 10**9):
                now += left * 10**9 / rate
                assert abs(Rates(link, "up").sent_ns(start_ns, bits) - now) <= 2
                return
            left -= Fraction(length * rate, 10**9)
            now += length
        first = False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line is ''; let it name the columns: at_ms,up_bps,down_bps"),
        ("0,1,2\n", "first line is '0,1,2'"),
        ("at_ms,up_bps,down_bps\n", "no steps; give at least one, at 0 ms"),
        ("at_ms,up_bps,down_bps\n0,1\n", "trace w.csv: line 2: '0,1'; give 3 numbers: at_ms,up"),
        ("at_ms,up_bps,down_bps\n0,1,2\n1,fast,2\n", "line 3: '1,fast,2'"),
        ("at_ms,up_bps,down_bps\n5,1,2\n", "the first step is at 5.0 ms; let it be at 0"),
        ("at_ms,up_bps,down_bps\n0,1,2\n0,1,2\n", "a step at 0.0 ms follows one at 0.0 ms"),
        ("at_ms,up_bps,down_bps\n0,1,2\nnan,1,2\n", "a step at nan ms"),
        ("at_ms,up_bps,down_bps\n0,-1,2\n", "up_bps = -1.0; use a finite number >= 0"),
        ("at_ms,up_bps,down_bps\n0,1,0\n", "down_bps is 0 throughout"),
    ],
)
def test_a_bad_trace_of_rates_is_refused_with_its_line(text, message):
    with pytest.raises(ClusterError, match=r"trace w\.csv") as caught:
        read_rates(text, "w.csv")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time\n1\n", "first line is 'time'; let it name the columns: at_ms"),
        ("at_ms\n", "no arrivals; give at least one"),
        ("at_ms\n1;2\n", "line 2: '1;2'; give 1 number: at_ms"),
        ("at_ms\n-1\n", "an arrival at -1.0 ms; use times from 0 on"),
        ("at_ms\n2\n1\n", "an arrival at 1.0 ms follows one at 2.0 ms"),
        ("at_ms\ninf\ninf\n", "an arrival at inf ms"),
        ("at_ms\ninf\n", "an arrival at inf ms"),
        ("at_ms\nnan\n", "an arrival at nan ms"),
    ],
)
def test_a_bad_trace_of_arrivals_is_refused_with_its_line(text, message):
    with pytest.raises(ClusterError, match=r"trace day\.csv") as caught:
        read_arrivals(text, "day.csv")
    assert message in str(caught.value)


def test_a_trace_that_was_not_read_is_not_taken_for_no_trace():
    with pytest.raises(ClusterError, match=r"trace 'wifi\.csv' was not read; load the suite"):
        Rates(Link(up_bps=1, trace="wifi.csv"), "up")


def test_what_was_read_is_not_read_again():
    def never(path: str) -> str:
        raise AssertionError(path)

    link = Link(trace=(RateStep(0, 1, 1),))
    load = Workload(kind="trace", trace=(0.0, 1.0))
    assert link.read(never) == link
    assert load.read(never) == load
    assert Link(up_bps=1).read(never) == Link(up_bps=1)
