"""Casts and checks a chunk's records: by text what is read from one field, by record what is computed from several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tolva.ingest.coding import Coded, Column, coded, plain, repeats, together
from tolva.ingest.statements import RECORDS, TEXTS, Computing, Fault, Reading, Statements, of_texts

Rows = npt.NDArray[np.int64]
Values = dict[int, Column]
"""Columns by their numbers."""

Ask = Callable[[Mapping[str, pa.Table], str], pa.Table]
"""Returns the answer of a SELECT over these tables."""


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
    """Cast and check records, given as text by field, or as the values that are hoped for.

    Text of which much is equal comes as a dictionary.
    """
    columns = {reading.column: fields.column(reading.field) for reading in statements.readings}
    values = [r for r in statements.readings if r.hoped == "VARCHAR" or not pa.types.is_string(columns[r.column].type)]
    texts = [reading for reading in statements.readings if reading not in values]
    judged = [reading.of_values(some_null=columns[reading.column].null_count > 0) for reading in values]
    checked = Checked({reading.column: columns[reading.column] for reading in judged}, [])
    asked = [*texts, *(reading for reading in judged if reading.faults)]
    often = {
        reading.column: coded(column)
        for reading in asked
        if pa.types.is_string((column := columns[reading.column]).type) and repeats(column)
    }
    if repeated := [reading for reading in asked if reading.column in often]:
        checked += _once_each(repeated, often, ask)
    if single := [reading for reading in texts if reading.column not in often]:
        checked += _asked(single, columns, ask)
    if single := [reading for reading in judged if reading.faults and reading.column not in often]:
        checked += _asked(single, columns, ask, with_values=False)
    if statements.computing:
        checked += _computed(fields, statements.computing, checked.values, ask)
    return checked


def _asked(readings: Sequence[Reading], given: Mapping[int, Column], ask: Ask, *, with_values: bool = True) -> Checked:
    """Ask about texts or values, by the number of the column that is read from them."""
    table = pa.table({f"__t{reading.column}": given[reading.column] for reading in readings})
    answer = ask({TEXTS: table}, of_texts(readings, with_values=with_values))
    values = {reading.column: answer[f"__v{reading.column}"] for reading in readings} if with_values else {}
    return Checked(values, [one for reading in readings for one in _found(reading.faults, answer)])


def _once_each(readings: Sequence[Reading], often: Mapping[int, Coded], ask: Ask) -> Checked:
    """Ask about each different text once, and give every record what was answered of its own."""
    longest = max(often[reading.column].count for reading in readings)
    texts = {reading.column: _padded(often[reading.column].columns[0], longest) for reading in readings}
    answer = _asked(readings, texts, ask)
    by_fault = {fault.number: often[reading.column] for reading in readings for fault in reading.faults}
    values = {
        column: often[column].spread(found.slice(0, often[column].count)) for column, found in answer.values.items()
    }
    spread = (_spread(one, by_fault[one.fault.number]) for one in answer.found)
    return Checked(values, [one for one in spread if len(one.rows)])


def _padded(texts: pa.Array, length: int) -> pa.Array:
    return pa.concat_arrays([texts, pa.nulls(length - len(texts), texts.type)])


def _spread(one: Found, those: Coded) -> Found:
    """Return what was found of different records as found of all that equal them."""
    # Beyond its own, there are texts that only make it as long as others.
    own = int(np.searchsorted(one.rows, those.count))
    rows, place = those.rows(one.rows[:own])
    return Found(one.fault, rows, one.messages.take(pa.array(place)))


def _computed(fields: pa.Table, computing: Computing, read: Values, ask: Ask) -> Checked:
    """Ask for what is computed from records; where many are equal in what matters, once for all of these."""
    seen = {name: fields.column(i) for i, name in computing.fields}
    seen |= {name: read[i] for i, name in computing.columns}
    alike = together(list(seen.values()), fields.num_rows)
    given = map(plain, seen.values()) if alike is None else alike.columns
    rows = fields.num_rows if alike is None else alike.count
    # Rows of no columns still count, but DuckDB wants to see some column.
    records = dict(zip(seen, given, strict=True)) or {"__row": pa.nulls(rows, pa.bool_())}
    answer = ask({RECORDS: pa.table(records)}, computing.sql)
    made = {i: answer[f"__v{i}"] for i in computing.made}
    found = list(_found(computing.faults, answer))
    if alike is None:
        return Checked(made, found)
    return Checked({i: alike.spread(values) for i, values in made.items()}, [_spread(one, alike) for one in found])


def _found(faults: Sequence[Fault], answer: pa.Table) -> Iterator[Found]:
    for fault in faults:
        told = answer[f"__n{fault.number}"]
        if told.null_count < len(told):
            rows = np.flatnonzero(told.is_valid().to_numpy())
            always = fault.message is not None
            yield Found(fault, rows, pa.repeat(fault.message, len(rows)) if always else told.drop_null())
