"""Records by what they have in common, so that what is true of equal ones is found out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Column: TypeAlias = "pa.Array | pa.ChunkedArray"

_SAMPLE_ROWS = 16_384
_REPEATS = 4
_MOST = 2**62


@dataclass(frozen=True, slots=True)
class Coded:
    """Columns of records of which many are equal.

    Attributes:
        codes: of each record, which of the different ones it equals.
        columns: what the different ones have, column by column.
        count: how many different ones there are.
    """

    codes: npt.NDArray[np.int64]
    columns: tuple[pa.Array, ...]
    count: int

    def spread(self, values: pa.ChunkedArray) -> pa.Array:
        """Give every record the value of the one that it equals; text as a dictionary, each once in it."""
        codes = pa.array(self.codes)
        if not pa.types.is_string(values.type):
            return values.take(codes).combine_chunks()
        distinct = pc.dictionary_encode(values).combine_chunks()
        return pa.DictionaryArray.from_arrays(distinct.indices.take(codes), distinct.dictionary)

    def rows(self, some: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the records that equal one of ``some`` different ones, ascending, and the place of it among them."""
        place = np.full(self.count, -1)
        place[some] = np.arange(len(some))
        found = place[self.codes]
        rows = np.flatnonzero(found >= 0)
        return rows, found[rows]


def repeats(column: Column) -> bool:
    """Whether the start of a column promises that its values come often; Arrow tells it of its own types alone."""
    if isinstance(column.type, pa.BaseExtensionType):
        return False
    sample = column.slice(0, _SAMPLE_ROWS)
    return len(sample) == _SAMPLE_ROWS and pc.count_distinct(sample, mode="all").as_py() * _REPEATS <= _SAMPLE_ROWS


def coded(column: Column) -> Coded:
    """Return a column by its different values, NULL last among them."""
    if not is_coded(column):
        column = pc.dictionary_encode(column)
    one = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = pa.concat_arrays([one.dictionary, pa.nulls(1, one.dictionary.type)])
    codes = one.indices.fill_null(len(one.dictionary)).to_numpy()
    return Coded(codes.astype(np.int64), (values,), len(values))


def is_coded(column: Column) -> bool:
    """Whether a column is a dictionary of its values."""
    return bool(pa.types.is_dictionary(column.type))


def plain(column: Column) -> Column:
    """Return a column without its dictionary, if it has one."""
    return column.cast(column.type.value_type) if is_coded(column) else column


def common(column: Column) -> Column:
    """Return a column as one of a type that Arrow has more functions for, if there is one for the same values."""
    if pa.types.is_decimal64(column.type):
        return column.cast(pa.decimal128(column.type.precision, column.type.scale))
    return column.cast(pa.bool_()) if column.type == pa.bool8() else column


def together(columns: Sequence[Column], rows: int) -> Coded | None:
    """Return records by what they have in these columns, or None where too few are equal in all of them."""
    columns = [common(column) for column in columns]
    if not all(is_coded(column) or repeats(column) for column in columns):
        return None
    codes, count = np.zeros(rows, np.int64), 1
    singles = [coded(column) for column in columns]
    for one in singles:
        count *= one.count
        if count > _MOST:
            return None
        codes = codes * one.count + one.codes
    if not columns:
        return Coded(codes, (), 1)
    if not repeats(pa.array(codes)):
        return None
    found = pa.array(codes).dictionary_encode()
    numbers, different = found.dictionary.to_numpy(), []
    for one in reversed(singles):
        different.append(one.columns[0].take(pa.array(numbers % one.count)))
        numbers = numbers // one.count
    return Coded(found.indices.to_numpy().astype(np.int64), tuple(reversed(different)), len(found.dictionary))


def compact(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return the column without the values in its dictionary that no record has."""
    count = len(column.dictionary)
    codes = column.indices.fill_null(count).to_numpy()
    used = np.zeros(count + 1, np.bool_)
    used[codes] = True
    used[count] = False
    indices = (np.cumsum(used) - 1).astype(np.int32)[codes]
    values = column.dictionary.filter(pa.array(used[:count]))
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=codes == count), values)
