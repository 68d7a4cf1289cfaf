"""Casts and checks a chunk's records: by text what is read from one field, by record what is computed from several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tolva.ingest.statements import RECORDS, TEXTS, Computing, Fault, Reading, Statements, of_texts

Rows = npt.NDArray[np.int64]
Values = dict[int, pa.ChunkedArray]
"""Columns by their numbers."""

Ask = Callable[[Mapping[str, pa.Table], str], pa.Table]
"""Returns the answer of a SELECT over these tables."""

_SAMPLE_ROWS = 16_384
_REPEATS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The rows that have a fault, ascending, and what is to be told of each."""

    fault: Fault
    rows: Rows
    messages: pa.Array | pa.ChunkedArray


@dataclass(frozen=True, slots=True)
class Checked:
    """The values of all records, by the numbers of columns, and all that is wrong with them."""

    values: Values
    found: list[Found]

    def __add__(self, other: Checked) -> Checked:
        """Return both together."""
        return Checked(self.values | other.values, self.found + other.found)


def check(fields: pa.Table, statements: Statements, ask: Ask) -> Checked:
    """Cast and check records, given as text by field."""
    columns = {reading.field: fields.column(reading.field) for reading in statements.readings}
    coded = {
        field: pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
        for field, column in columns.items()
        if repeats(column)
    }
    repeated = [reading for reading in statements.readings if reading.field in coded]
    single = [reading for reading in statements.readings if reading.field not in coded]
    checked = Checked({}, [])
    if repeated:
        checked += _once_each(repeated, coded, ask)
    if single:
        checked += _read(single, {reading.column: columns[reading.field] for reading in single}, ask)
    if statements.computing:
        checked += _computed(fields, statements.computing, checked.values, ask)
    return checked


def repeats(column: pa.ChunkedArray) -> bool:
    """Whether the start of a column promises that its values come often."""
    sample = column.slice(0, _SAMPLE_ROWS)
    return len(sample) == _SAMPLE_ROWS and pc.count_distinct(sample, mode="all").as_py() * _REPEATS <= _SAMPLE_ROWS


def _read(readings: Sequence[Reading], texts: Mapping[int, pa.Array | pa.ChunkedArray], ask: Ask) -> Checked:
    """Ask about these texts, by the number of the column that is read from them."""
    table = pa.table({f"__t{number}": column for number, column in texts.items()})
    answer = ask({TEXTS: table}, of_texts(readings))
    values = {reading.column: answer[f"__v{reading.column}"] for reading in readings}
    return Checked(values, [one for reading in readings for one in _found(reading.faults, answer)])


def _once_each(readings: Sequence[Reading], coded: Mapping[int, pa.DictionaryArray], ask: Ask) -> Checked:
    """Ask about each different text once, and give every record what was answered of its own."""
    longest = max(len(coded[reading.field].dictionary) for reading in readings)
    texts = {reading.column: _padded(coded[reading.field].dictionary, longest) for reading in readings}
    answer = _read(readings, texts, ask)
    codes = {reading.column: coded[reading.field].indices for reading in readings}
    values = {number: answer.values[number].take(codes[number]) for number in codes}
    numbers = {fault.number: reading.column for reading in readings for fault in reading.faults}
    spread = (_spread(one, codes[numbers[one.fault.number]].to_numpy(), longest) for one in answer.found)
    return Checked(values, [one for one in spread if len(one.rows)])


def _padded(texts: pa.Array, length: int) -> pa.Array:
    return pa.concat_arrays([texts, pa.nulls(length - len(texts), texts.type)])


def _spread(one: Found, codes: npt.NDArray[np.int32], texts: int) -> Found:
    """Return what was found of texts as found of the records that have them."""
    at = np.full(texts, -1)
    at[one.rows] = np.arange(len(one.rows))
    found = at[codes]
    rows = np.flatnonzero(found >= 0)
    return Found(one.fault, rows, one.messages.take(pa.array(found[rows])))


def _computed(fields: pa.Table, computing: Computing, read: Values, ask: Ask) -> Checked:
    """Ask for what is computed from records."""
    seen = {name: fields.column(i) for i, name in computing.fields}
    seen |= {name: read[i] for i, name in computing.columns}
    # Rows of no columns still count, but DuckDB wants to see some column.
    answer = ask({RECORDS: pa.table(seen or {"__row": pa.nulls(fields.num_rows, pa.bool_())})}, computing.sql)
    return Checked({i: answer[f"__v{i}"] for i in computing.made}, list(_found(computing.faults, answer)))


def _found(faults: Sequence[Fault], answer: pa.Table) -> Iterator[Found]:
    for fault in faults:
        told = answer[f"__n{fault.number}"]
        if told.null_count < len(told):
            rows = np.flatnonzero(told.is_valid().to_numpy())
            always = fault.message is not None
            yield Found(fault, rows, pa.repeat(fault.message, len(rows)) if always else told.drop_null())
