"""When things happen: moments spread over a month in order of time, and their text."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from tolva.coffee.chance import below
from tolva.coffee.text import Field, TextTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tolva.coffee.chance import Integers, Words

DAY_SECONDS: Final = 86_400


def next_month(first: date) -> date:
    """Return the first day of the month after."""
    return (first + timedelta(days=31)).replace(day=1)


def days_in(first: date) -> int:
    """Return how many days the month has that begins on ``first``."""
    return (next_month(first) - first).days


class Clock:
    """Spreads events over days in order of time, at the hours when they are likely.

    Args:
        opens: second of the day of the first event.
        pace: how much goes on in each span of ``span_seconds`` from then on, as small whole numbers.
        span_seconds: length of a span.
    """

    def __init__(self, opens: int, pace: Sequence[int], span_seconds: int) -> None:
        seconds = np.arange(opens, opens + span_seconds * len(pace), dtype=np.int64)
        self._moments = np.repeat(seconds, np.repeat(pace, span_seconds))

    def times(self, rows: range, total: int, days: int, *words: Words) -> Integers:
        """Return times as seconds since midnight of the first day, in order.

        The time of all events is cut into ``total`` equal strips; row i gets a random moment of strip i.
        """
        moments = days * len(self._moments)
        number = np.arange(rows.start, rows.stop, dtype=np.int64) * moments + below(moments, *words)
        day, moment = np.divmod(number // total, len(self._moments))
        return DAY_SECONDS * day + self._moments.take(moment)

    def row_of(self, day: int, second: int, total: int, days: int) -> int:
        """Return the row whose strip holds this second of this day (counted from 0)."""
        moment = day * len(self._moments) + int(np.searchsorted(self._moments, second))
        return moment * total // (days * len(self._moments))


class Stamps:
    """Writes seconds since the start of a month as ``2024-01-31 23:00:00``, at the end of a row."""

    def __init__(self) -> None:
        self._minutes = TextTable(f"{minute // 60:02}:{minute % 60:02}:" for minute in range(DAY_SECONDS // 60))
        self._seconds = TextTable(f"{second:02}\n" for second in range(60))

    def pick(self, first: date, times: Integers) -> Field:
        """Return these times of the month that begins on ``first``."""
        days = TextTable(f"{first + timedelta(days=day)} " for day in range(days_in(first)))
        day, second_of_day = np.divmod(times, DAY_SECONDS)
        minute, second = np.divmod(second_of_day, 60)
        stamps = np.empty(len(times), dtype=[("day", "V11"), ("minute", "V6"), ("second", "V3")])
        stamps["day"] = days.pick(day).texts
        stamps["minute"] = self._minutes.pick(minute).texts
        stamps["second"] = self._seconds.pick(second).texts
        return Field(stamps.view("V20"), 20)
