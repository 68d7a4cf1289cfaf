"""Random numbers that are the same on every machine and with every release of numpy.

Only the raw output of a bit generator is promised to stay as it is, so nothing else of numpy.random is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers: TypeAlias = npt.NDArray[np.int64]
    Words: TypeAlias = npt.NDArray[np.uint16]

WORDS_A_NUMBER = 4


class Source:
    """A stream of random numbers of its own for each seed and name."""

    def __init__(self, seed: int, *name: str) -> None:
        entropy = int.from_bytes("/".join(name).encode(), "big")
        self._bits = np.random.SFC64(np.random.SeedSequence([seed, entropy]))

    def words(self, rows: int, columns: int) -> Words:
        """Return this many rows of 16-bit numbers; ``columns`` is a multiple of ``WORDS_A_NUMBER``."""
        numbers = self._bits.random_raw(rows * columns // WORDS_A_NUMBER)
        return numbers.astype("<u8", copy=False).view("<u2").reshape(rows, columns)


def below(limit: int | Integers, *words: Words) -> Integers:
    """Return whole numbers from 0 up to ``limit`` (excluded), all about equally likely, made from 16-bit words."""
    number = words[0].astype(np.int64)
    for word in words[1:]:
        number = (number << 16) | word
    return (number * limit) >> (16 * len(words))
