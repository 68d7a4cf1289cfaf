"""A field means what DuckDB's CAST says it means, whoever reads it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import REFUSED, Judge, read_text

from tolva.errors import RecordError
from tolva.formats.delimited.fast import is_direct

NUMBERS = """12|+12|-12|- 12|012|-0|1e3|1.0|1.5|2.5|0x1F|0X1f|-0x1F|0xFFFFFFFF|0xFF|0xFFFFFFFFFFFFFFFF|2147483648|
-2147483648|1_000|1__0|1_|0b11|1,0|  |1e-1|0o17|.5|5.|.|e|1e|1e+5|1E5|inf|-inf|+inf|Infinity|INF|nan|NaN|-nan|nan(1)|
1e308|1e309|-1e309|1e-320|1e-400|1e5000|0x1p3|1.2345|9.9995|999999999999999999|123456789012345678|12345678901234567|
1234567890123456.5|1234|123.45|1.000|1e-4|0e500|10e17|1e15|999e37|1e37|1e38|100e13|1000000000000000e-3|-|+|+.5|-.5|
000000000000000000000000000012|12345678901234567890123456789012345678|0.1|16777217|9007199254740993|3.4e39|\x0b12|12\x0b|
123456789012345678901234567890|0.00000000000000000000000000000000001|9223372036854775807|9223372036854775808|255|256|-1
""".replace("\n", "").split("|")
MOMENTS = """2024-01-01|2024-01-01 07|2024-01-01T07|2024-01-01 00|2024-01-01 07:08|2024-01-01 07:08:09|
2024-01-01T07:08:09|
2024-01-01 07:08:09.1|2024-01-01 07:08:09.123456|2024-01-01 07:08:09.1234567|2024-01-01 07:08:09.123456789|
2024-01-01 07:08:09Z|2024-01-01 07:08:09+01|2024-01-01 07:08:09+01:00|2024-01-01 24:00:00|2024-01-01 23:59:60|
2024-1-1 7:8:9|2024/01/01 07:08:09|20240101|2024-02-30|2023-02-29|2024-02-29|0000-01-01|0001-01-01|9999-12-31 23:59:59|
-0001-01-01|2024-01-01  07:08:09|2024-01-01 070809|2024-01-01T0708|2024-01-01 07:08:09.|2024-01-01 07:08:61|infinity|
epoch|2024-01-01 07:08:09 UTC|290000-01-01|2024-01-01t07:08:09|2024-01-01T07Z|1969-12-31 23:59:59.5|2024-01|2024|
07:08:09|2024-01-01 (BC)|1677-01-01|2263-01-01|07:08|7:08:09|07:08:09.5|24:00:00|23:59:60|07|0708|07:08:09.1234567|
2024-01-01 07:00:00|2024-01-01 07:00|2024-01-01 00:00:00|2024-01-01T00|-2024-01-01|2024-01-01 -7:00:00|2024-01-01-07
""".replace("\n", "").split("|")
WORDS = """true|false|TRUE|False|tRUE|t|f|T|F|yes|no|Yes|NO|y|n|Y|N|on|off|1|0|2|01|-1|1.0|x|NULL|é
""".strip().split("|")

TYPES = {
    "BOOLEAN": WORDS,
    **dict.fromkeys(("INTEGER", "BIGINT", "UTINYINT", "FLOAT", "DOUBLE"), NUMBERS),
    **dict.fromkeys(("DECIMAL(18,3)", "DECIMAL(38,0)", "DECIMAL(38,10)", "DECIMAL(2,2)"), NUMBERS),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_NS", "DATE", "TIME"), MOMENTS),
    "TIMESTAMP WITH TIME ZONE": MOMENTS,
    "VARCHAR": [*NUMBERS, *MOMENTS, *WORDS],
    "UUID": ["ac6f851c-649f-42fb-a606-72be0fdcf8d2", "AC6F851C649F42FBA60672BE0FDCF8D2", "ac6f", "x"],
    "BLOB": ["abc", "\\xAA", "\\x", "é"],
    "INTERVAL": ["1 day", "01:00:00", "2 months 3 days", "x"],
}

judge = Judge()


def read_values(texts: list[str], kind: str) -> pa.Table:
    lines = "".join(f'"{text}",z\n' if "," in text else f"{text},z\n" for text in texts)
    return read_text(lines.encode(), {"v": kind, "z": "VARCHAR"}, ["v"])


def assert_same_alone(texts: list[str], kind: str) -> None:
    """Each text, as the only record, is read or refused just as it should be."""
    expected = judge.meaning(texts, kind)
    tables = []
    for text, value in zip(texts, expected, strict=True):
        if value == REFUSED:
            with pytest.raises(RecordError):
                read_values([text], kind)
        else:
            tables.append(read_values([text], kind))
    if tables:
        found = [row[0] for row in judge.rows(pa.concat_tables(tables))]
        assert found == [value for value in expected if value != REFUSED]


def assert_same_together(texts: list[str], kind: str) -> None:
    """All texts are read, or the first that can't be is named."""
    expected = judge.meaning(texts, kind)
    bad = next((i for i, value in enumerate(expected) if value == REFUSED), None)
    if bad is None:
        assert [row[0] for row in judge.rows(read_values(texts, kind))] == expected
        return
    with pytest.raises(RecordError) as caught:
        read_values(texts, kind)
    assert caught.value.data["line"] == bad + 1
    assert caught.value.data["value"] == texts[bad]


@pytest.mark.parametrize("kind", TYPES)
def test_each_text_alone(kind: str) -> None:
    assert_same_alone(TYPES[kind], kind)


@pytest.mark.parametrize("kind", [kind for kind in TYPES if is_direct(kind)])
def test_each_text_with_spaces_around(kind: str) -> None:
    texts = TYPES[kind]
    assert_same_alone([*(f" {text}" for text in texts[::2]), *(f"{text} " for text in texts), f"\t{texts[0]}"], kind)


@pytest.mark.parametrize("kind", TYPES)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_texts_together(kind: str, data: st.DataObject) -> None:
    good = [t for t, v in zip(TYPES[kind], judge.meaning(TYPES[kind], kind), strict=True) if v != REFUSED]
    texts = st.sampled_from([*good, ""])
    if data.draw(st.booleans()):
        texts = st.one_of(texts, st.sampled_from(TYPES[kind]))
    assert_same_together(data.draw(st.lists(texts, min_size=1, max_size=8)), kind)


def lists_of(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(texts, min_size=1, max_size=20)


ALPHABET = {
    "INTEGER": "0123456789xXbe+-. _",
    "DOUBLE": "0123456789eE+-._ infa",
    "DECIMAL(9,2)": "0123456789e+-._ ",
    "TIMESTAMP": "0129-: T.Z/",
    "DATE": "0129-/ ",
    "TIME": "01259:. ",
    "BOOLEAN": "truefalsyno01 ",
}


@pytest.mark.parametrize("kind", ALPHABET)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_any_text(kind: str, data: st.DataObject) -> None:
    assert_same_alone(data.draw(lists_of(st.text(ALPHABET[kind], max_size=12))), kind)


MOMENT = r"[0-9]{4}-[01]?[0-9]-[0-3]?[0-9]([ T][0-2]?[0-9](:[0-6]?[0-9](:[0-6][0-9](\.[0-9]{0,7})?)?)?)?Z?"
NUMBER = r"[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?"


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_NS", "DATE"])
@settings(deadline=None, max_examples=10)
@given(lists_of(st.from_regex(MOMENT, fullmatch=True)))
def test_any_moment(kind: str, texts: list[str]) -> None:
    assert_same_alone(texts, kind)


@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "FLOAT", "DECIMAL(18,3)", "DECIMAL(30,8)", "DECIMAL(38,0)"])
@settings(deadline=None, max_examples=10)
@given(lists_of(st.from_regex(NUMBER, fullmatch=True)))
def test_any_number(kind: str, texts: list[str]) -> None:
    assert_same_alone(texts, kind)
