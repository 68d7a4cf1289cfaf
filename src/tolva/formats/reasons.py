"""Collects what is wrong with records, many at a time, and ends as the table of rejects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tolva.formats.reject import REJECTS

Numbers = npt.NDArray[np.int64]
Words = Sequence[str | None] | Any
"""A list of texts, or an Arrow array of them."""

_SCHEMA = pa.schema([("record", pa.int64()), *(REJECTS.field(name) for name in ("column", "code", "message"))])


class Reasons:
    """Reasons against records, which are known by their number in the chunk."""

    def __init__(self) -> None:
        self._noted: list[pa.Table] = []

    def note(self, records: Sequence[int] | Numbers, columns: Words, codes: Words, messages: Words) -> None:
        """Note a reason against each of these records; see ``Reject`` for column, code and message."""
        if len(records):
            self._noted.append(pa.table([pa.array(records, pa.int64()), columns, codes, messages], schema=_SCHEMA))

    def records(self) -> Numbers:
        """Return the numbers of the records that have any; of several, as often."""
        numbers: Numbers = self._all()["record"].to_numpy()
        return numbers

    def rejects(self, places: Callable[[Numbers], pa.Table]) -> pa.Table:
        """Return all as rejects (``REJECTS``), in the order of the records; ``places`` tells where records are."""
        noted = self._all()
        # For one record, in the order in which they were noted.
        order = np.argsort(noted["record"].to_numpy(), kind="stable")
        noted = noted.take(pa.array(order))
        found = places(noted["record"].to_numpy())
        columns = [(noted if name in _SCHEMA.names else found)[name] for name in REJECTS.names]
        return pa.table(columns, schema=REJECTS)

    def _all(self) -> pa.Table:
        return pa.concat_tables([_SCHEMA.empty_table(), *self._noted])
