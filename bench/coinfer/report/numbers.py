"""Numbers as people read them."""

from __future__ import annotations

from typing import Final

_STEPS: Final = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def amount(value: float | None, unit: str = "") -> str:
    """Three significant digits with a decimal prefix.

    Examples
    --------
    >>> amount(1_234_567, "MACs"), amount(999), amount(None)
    ('1.23 M MACs', '999', '-')
    """
    if value is None:
        return "-"
    for step, prefix in _STEPS:
        # 999.5 of a smaller step would be rounded to 1000 of it.
        if abs(value) >= step * 0.9995:
            return _spaced(_three(value / step) + prefix, unit)
    return _spaced(_three(value), unit)


def percent(share: float | None) -> str:
    """Share as a percentage with one decimal.

    Examples
    --------
    >>> percent(0.8412)
    '84.1 %'
    """
    return "-" if share is None else f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """Difference of shares in percentage points, always with its sign.

    Examples
    --------
    >>> points(-0.002), points(0.128)
    ('-0.2', '+12.8')
    """
    return f"{100 * difference:+.1f}"


def change(share: float | None) -> str:
    """Relative change in percent, always with its sign.

    Examples
    --------
    >>> change(0.0312), change(-0.5), change(None)
    ('+3.1 %', '-50.0 %', 'without bound')
    """
    return "without bound" if share is None else f"{100 * share:+.1f} %"


def milliseconds(value: float | None, deadline_ms: float) -> str:
    """Latency; one that is without bound was not answered by the deadline.

    Examples
    --------
    >>> milliseconds(41.234, 400), milliseconds(None, 400)
    ('41.2', '> 400')
    """
    return f"> {deadline_ms:g}" if value is None else _three(value)


def duration(seconds: float) -> str:
    """Time as people say it.

    Examples
    --------
    >>> duration(4.2), duration(192), duration(7500)
    ('4 s', '3 min 12 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def ratio(value: float) -> str:
    """Quotient, with more digits where it is close to one.

    Examples
    --------
    >>> ratio(1.873), ratio(1.0123), ratio(12.3)
    ('1.87×', '1.012×', '12.3×')
    """
    digits = 3 if abs(value - 1) < 0.1 else 2 if value < 10 else 1
    return f"{value:.{digits}f}×"


def span(low: float | None, high: float | None) -> str:
    """Interval of a quotient; empty where there is none, or no width to it.

    Examples
    --------
    >>> span(1.723, 1.911), span(2.0, 2.0)
    ('1.72–1.91', '')
    """
    if low is None or high is None or f"{low:.3g}" == f"{high:.3g}":
        return ""
    return f"{low:.3g}–{high:.3g}"


def _three(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{digits}f}"
    return text.partition(".")[0] if float(text) == int(float(text)) else text


def _spaced(number: str, unit: str) -> str:
    return f"{number} {unit}" if unit else number
