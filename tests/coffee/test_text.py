"""Rows made all at once equal rows made one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tolva.coffee.text import Field, IdTable, TextTable, rows

END = "." * 11 + "\n"
"""As the last field must be: longer than the filling of any other."""


@given(
    tables=st.lists(st.lists(st.text("abc,", max_size=11), min_size=1, max_size=6), max_size=4),
    picks=st.lists(st.lists(st.integers(0, 1000), min_size=4, max_size=4), min_size=1, max_size=20),
)
def test_rows_equal_joined_texts(tables: list[list[str]], picks: list[list[int]]) -> None:
    texts = [*tables, [END]]
    numbers = [[pick[k % 4] % len(table) for pick in picks] for k, table in enumerate(texts)]
    fields = [TextTable(table).pick(np.array(picked)) for table, picked in zip(texts, numbers, strict=True)]
    expected = "".join(
        "".join(table[picked[row]] for table, picked in zip(texts, numbers, strict=True)) for row in range(len(picks))
    )
    assert bytes(rows(fields)).decode() == expected


@given(st.lists(st.integers(0, 5_001_999), min_size=1, max_size=20))
def test_ids_are_written_as_people_do(ids: list[int]) -> None:
    end = Field(np.frombuffer(END.encode() * len(ids), dtype=f"V{len(END)}"), len(END))
    written = bytes(rows([*IdTable(5_001_999, suffix=".0,", empty=",").pick(np.array(ids)), end])).decode()
    assert written == "".join((f"{number}.0," if number else ",") + END for number in ids)
