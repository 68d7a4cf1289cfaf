"""Equal records are judged together: the same values and faults come out as when each is judged by itself."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from tolva.ingest import coding
from tolva.ingest.checking import Checked, check
from tolva.ingest.expressions import checked
from tolva.ingest.rules import CheckRule, ColumnRule, Rules
from tolva.ingest.statements import Statements, statements

FIELDS = ("name", "born", "left", "flag", "cost", "size", "note")
RULES = Rules(
    columns=(
        ColumnRule("name", "VARCHAR", "name", required=True, max_length=4),
        ColumnRule("born", "DATE", "born", formats=("%m/%d/%Y",), required=True),
        ColumnRule("gone", "DATE", "left"),
        ColumnRule("flag", "BOOLEAN", "flag", default="false"),
        ColumnRule("cost", "DECIMAL(9,2)", "cost"),
        ColumnRule("size", "INTEGER", "size", minimum="2", required=True),
        ColumnRule("note", "VARCHAR", "note", trim=True),
        ColumnRule("both", "VARCHAR", sql="name || '/' || coalesce(note, '')", required=True, max_length=6),
        ColumnRule("share", "INTEGER", sql="100 / size"),
        ColumnRule("one", "INTEGER", sql="1"),
    ),
    checks=(
        CheckRule("gone >= born", "order", "left before being there"),
        CheckRule("cost > 0 OR NOT flag", "cost", "costs nothing"),
    ),
)
TEXTS: Mapping[str, tuple[str | None, ...]] = {
    "name": ("Ana", "Bo", "Wilma", None),
    "born": ("1/2/2001", "0000-00-00", None),
    "left": ("2020-01-01", "1980-01-01", "never", None),
    "flag": ("true", "no", "perhaps", None),
    "cost": ("1.50", "-7", None),
    "size": ("1", "7", "0", "much", None),
    "note": (" x", "x ", "yy", "  ", None),
}
ROWS = 20_000


def ask(tables: Mapping[str, pa.Table], sql: str) -> pa.Table:
    with duckdb.connect(config={"arrow_lossless_conversion": True}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql).to_arrow_table()


def made(rules: Rules) -> Statements:
    return statements(rules, FIELDS, checked(rules, FIELDS))


def records(chance: random.Random, values: Mapping[str, tuple[str | None, ...]]) -> pa.Table:
    return pa.table({name: pa.array(chance.choices(values[name], k=ROWS), pa.string()) for name in FIELDS})


def outcome(found: Checked) -> tuple[dict[int, list[Any]], set[tuple[int, int, str]]]:
    values = {i: coding.plain(column).to_pylist() for i, column in found.values.items()}
    faults = {
        (one.fault.number, row, message)
        for one in found.found
        for row, message in zip(one.rows.tolist(), pa.array(one.messages).to_pylist(), strict=True)
    }
    return values, faults


def test_equal_records_are_judged_as_each_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    table = records(random.Random(0), TEXTS)
    together = check(table, made(RULES), ask)
    assert coding.is_coded(together.values[7])
    monkeypatch.setattr("tolva.ingest.checking.repeats", lambda _: False)
    monkeypatch.setattr("tolva.ingest.checking.together", lambda *_: None)
    assert outcome(together) == outcome(check(table, made(RULES), ask))


def test_values_are_judged_as_their_texts() -> None:
    good = {**TEXTS, "size": ("1", "7", "0", None), "left": ("2020-01-01", "1980-01-01", None)}
    table = records(random.Random(7), good)
    typed = table
    for name, kind in (("size", pa.int32()), ("left", pa.date32()), ("cost", pa.decimal128(9, 2))):
        typed = typed.set_column(typed.column_names.index(name), name, table[name].cast(kind))
    typed = typed.set_column(typed.column_names.index("cost"), "cost", typed["cost"].cast(pa.decimal64(9, 2)))
    assert outcome(check(typed, made(RULES), ask)) == outcome(check(table, made(RULES), ask))


def test_only_what_no_expression_sees_as_text_is_hoped_for() -> None:
    rules = Rules((
        ColumnRule("a", "INTEGER", "size"),
        ColumnRule("b", "BIGINT", "size"),
        ColumnRule("day", "DATE", "born"),
        ColumnRule("flag", "BOOLEAN", "flag"),
        ColumnRule("said", "VARCHAR", sql="born || ''"),
    ))  # fmt: skip
    assert [reading.hoped for reading in made(rules).readings] == [None, None, None, "BOOLEAN"]


def test_a_dictionary_keeps_only_what_records_have() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([3, None, 1, 3], pa.int32()), ["a", "b", "c", "d"])
    small = coding.compact(column)
    assert small.to_pylist() == ["d", None, "b", "d"]
    assert small.dictionary.to_pylist() == ["b", "d"]


def test_rows_of_many_columns_are_told_apart() -> None:
    columns = [pa.chunked_array([pa.array([n // k % 3 for n in range(ROWS)])]) for k in (1, 3, 9)]
    alike = coding.together(columns, ROWS)
    assert alike is not None
    assert alike.count == 27
    for given, different in zip(columns, alike.columns, strict=True):
        assert different.take(pa.array(alike.codes)).equals(given.combine_chunks())
    assert coding.together([pa.chunked_array([pa.array(np.arange(ROWS))])], ROWS) is None


def test_types_that_arrow_cannot_count_do_not_repeat() -> None:
    column = pa.chunked_array([pa.array([bytes(16)] * ROWS, pa.uuid())])
    assert not coding.repeats(column)
    assert not coding.together([column], ROWS)
