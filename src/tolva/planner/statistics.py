"""What a sample tells of a table: how many records it has, how wide its columns are, how many values they have.

Only the order and the place of joins follow from this, never an answer. So a sample is a few thousand records from the
beginning of a few files, read once, and only for queries with joins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tolva.planner import TableInfo
from tolva.planner.binder import SAMPLE, Binder
from tolva.planner.quoting import quoted

if TYPE_CHECKING:
    import pyarrow as pa

ROW_BYTES = 100
"""A guess of how large one row is."""

ROWS_MAX = 6_000
"""As many records of a sample are looked at: shares down to a percent are still told apart."""
_SHARE_MIN = 0.01
_SHARE_OF_NONE_SEEN = 0.05


class TableStatistics:
    """One table's. Without a sample: guesses from its bytes."""

    def __init__(self, info: TableInfo, binder: Binder) -> None:
        self._info = info
        self._binder = binder
        self._types = {column.name: column.type for column in info.columns}
        self._sample: pa.Table | None = None
        self._distinct: dict[str, float] = {}
        self._shares: dict[str, float | None] = {}
        self.bytes = info.bytes
        self.rows: float = max(1.0, info.bytes / ROW_BYTES)

    def look(self, columns: Sequence[str]) -> None:
        """Read these columns of the sample, if there is one and they weren't read before."""
        known = self._sample.column_names if self._sample is not None else []
        missing = [c for c in columns if c not in known]
        if self._info.sample is None or not missing:
            return
        found = self._info.sample(missing)
        if found is None or not found.rows.num_rows:
            return
        self.rows = max(1.0, found.rows.num_rows / found.share)
        rows = found.rows.slice(0, ROWS_MAX)
        if self._sample is not None:
            for name in known:
                rows = rows.append_column(name, self._sample.column(name))
        self._sample = rows

    def width(self, column: str) -> float:
        """Return the mean size of a column's values in bytes."""
        if self._sample is None or not self._sample.num_rows:
            return _width(self._types[column])
        return float(self._sample.column(column).nbytes / self._sample.num_rows)

    def distinct(self, column: str) -> float | None:
        """Return about how many values a column has; None when nothing is known.

        By the GEE estimator (Charikar, Chaudhuri, Motwani, Narasayya: Towards Estimation Error Guarantees for Distinct
        Values, 2000): values seen once stand for sqrt(rows / sampled rows) values each, all others for themselves.
        """
        if self._sample is None or not self._sample.num_rows:
            return None
        if column not in self._distinct:
            seen = self._sample.num_rows
            values, once = _counts(self._sample.column(column))
            about = math.sqrt(max(1.0, self.rows / seen)) * once + values - once
            self._distinct[column] = self.rows if once >= _KEY_SHARE * seen else min(self.rows, max(1.0, about))
        return self._distinct[column]

    def share(self, condition: str, names: Mapping[str, str]) -> float | None:
        """Return the share of records for which a condition holds; None when that can't be told.

        Args:
            condition: SQL over the columns' ``names``.
            names: what each column is called there.
        """
        if self._sample is None or not self._sample.num_rows:
            return None
        if condition not in self._shares:
            listed = ", ".join(f"{quoted(column)} AS {quoted(name)}" for column, name in names.items()) or "1 AS one"
            asked = f"SELECT count_if({condition}) / count(*) FROM (SELECT {listed} FROM {SAMPLE})"
            found = self._binder.measure(self._sample, asked)
            share = found[0] if found else None
            self._shares[condition] = _SHARE_OF_NONE_SEEN if share == 0 else share and max(share, _SHARE_MIN)
        return self._shares[condition]


def _counts(values: pa.ChunkedArray) -> tuple[int, int]:
    """Return how many values there are, and how many of them once; for types that Arrow can't count, all of them."""
    import pyarrow as pa  # noqa: PLC0415 - whoever has a sample has it loaded
    import pyarrow.compute as pc  # noqa: PLC0415 - likewise

    try:
        times = pc.value_counts(values).field("counts")
    except pa.ArrowNotImplementedError:
        return len(values), len(values)
    return len(times), int(pc.sum(pc.equal(times, 1)).as_py() or 0)


def _width(type_: str) -> float:
    return _TEXT_BYTES if type_.startswith(_WIDE) or type_.endswith("]") else _NUMBER_BYTES


_KEY_SHARE = 0.98
_TEXT_BYTES = 24
_NUMBER_BYTES = 8
_WIDE = ("VARCHAR", "BLOB", "BIT", "STRUCT", "MAP", "JSON", "TUPLE", "UNION")
