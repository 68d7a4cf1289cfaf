"""Users, month by month of their registration."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from tolva.coffee.chance import WORDS_A_NUMBER, Source, below
from tolva.coffee.text import IdTable, TextTable, rows
from tolva.coffee.times import Clock, Stamps, days_in

if TYPE_CHECKING:
    from collections.abc import Iterator

USER_COLUMNS: Final = "user_id,gender,birthdate,registered_at"

_BLOCK_USERS: Final = 65_536
_RUNS: Final = 5
"""A file is a few runs of rising ids, put one after the other in no order."""
_OPENS: Final = 7 * 3600
_PACE: Final = (7, 15, 27, 40, 51, 56, 53, 41, 26, 15, 7, 3, 1)
_OLDEST: Final = date(1964, 7, 21)
_BIRTHDATES: Final = (date(2009, 7, 19) - _OLDEST).days + 1


class Writer:
    """Makes the rows of any month's users.

    Args:
        users: registered users in all, for the widest id.
        seed: other seeds make other rows.
    """

    def __init__(self, users: int, seed: int) -> None:
        self._seed = seed
        self._clock = Clock(_OPENS, _PACE, 3600)
        self._id_table = IdTable(users, suffix=",", empty=",")
        self._genders = TextTable(["female,", "male,"])
        days = np.datetime64(_OLDEST) + np.arange(_BIRTHDATES)
        self._birthdates = TextTable(f"{day}," for day in np.datetime_as_string(days).tolist())
        self._stamps = Stamps()

    def blocks(self, first: date, users_before: int, users: int) -> Iterator[memoryview]:
        """Yield the rows, as CSV bytes, of the users who register in the month that begins on ``first``."""
        source = Source(self._seed, "users", f"{first:%Y%m}")
        for run in _shuffled_runs(source, users):
            for start in range(run.start, run.stop, _BLOCK_USERS):
                block = range(start, min(start + _BLOCK_USERS, run.stop))
                column = source.words(len(block), WORDS_A_NUMBER).T
                times = self._clock.times(block, users, days_in(first), column[0], column[1])
                yield rows(
                    [
                        *self._id_table.pick(1 + users_before + np.arange(block.start, block.stop)),
                        self._genders.pick(below(2, column[2])),
                        self._birthdates.pick(below(_BIRTHDATES, column[3])),
                        self._stamps.pick(first, times),
                    ]
                )


def _shuffled_runs(source: Source, users: int) -> list[range]:
    bounds = [users * k // _RUNS for k in range(_RUNS + 1)]
    runs = [range(start, stop) for start, stop in pairwise(bounds)]
    keys = source.words(_RUNS, WORDS_A_NUMBER)[:, 0].tolist()
    shuffled = [run for _, run in sorted(zip(keys, runs, strict=True), key=lambda pair: pair[0])]
    return shuffled if shuffled != runs else runs[::-1]
