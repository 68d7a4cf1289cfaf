"""Records that can't be used: which, where they are, and why. By columns, because there may be millions of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PLACES = pa.schema([("line", pa.int64()), ("offset", pa.int64()), ("raw", pa.binary())])
"""Where records are: see ``Reject``."""

REJECTS = pa.schema(
    [
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("column", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("raw", pa.binary()),
    ]
)
"""``Reject``s by columns, all of one file."""

Rows = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reject:
    """One reason why a record can't be used; a record has as many as are found.

    Attributes:
        file: the name of its file for people.
        line: the physical line it starts on, from 1.
        offset: the byte it starts at; where the file had to be decoded, in its text as UTF-8.
        column: the column at fault; None when the whole record is misshapen.
        code: what is wrong, for programs.
        message: what is wrong, for people.
        raw: the record's bytes without its line end.
    """

    file: str
    line: int
    offset: int
    column: str | None
    code: str
    message: str
    raw: bytes


class Places(Protocol):
    """Tells where rows are that were good so far, for a later check that refuses them."""

    def __call__(self, rows: Rows) -> pa.Table:
        """Return the places (``PLACES``) of the rows with these numbers, in that order."""
        ...


@dataclass(frozen=True, slots=True)
class Sorted:
    """A chunk's records, good and bad apart.

    Attributes:
        rows: the records that could be read and cast, in their order.
        rejects: the others (``REJECTS``), every reason of each, in the order of the records.
        records: how many there are together; so ``records - rows.num_rows`` were rejected.
        places: where ``rows`` are.
    """

    rows: pa.Table
    rejects: pa.Table
    records: int
    places: Places


def listed(file: str, rejects: pa.Table) -> Iterator[Reject]:
    """Give rejects (``REJECTS``) one by one."""
    for batch in rejects.select(REJECTS.names).to_batches():
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Reject(file, *values)
