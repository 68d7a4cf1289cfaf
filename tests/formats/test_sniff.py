"""Sane files are understood as DuckDB understands them."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tolva import formats
from tolva.formats.delimited.infer import infer, merge
from tolva.formats.delimited.sniff import Hints, sniff
from tolva.jobs.prepare import Spec

judge = duckdb.connect(config={"threads": 1})


def by_duckdb(path: Path) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in judge.execute(f"DESCRIBE FROM read_csv('{path}')").fetchall()]


def by_tolva(path: Path) -> list[tuple[str, str]]:
    table = formats.resolve("t", Spec([path.name]), path.parent)
    return [(column.name, column.type) for column in table.columns]


WORD = st.text("abcdefgh", min_size=2, max_size=6).map(lambda word: f"w{word}")
VALUES = [
    WORD,
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["true", "false", "True", "FALSE", "yes", "t"]),
    st.dates().map(str),
    st.times().map(str),
    st.datetimes().map(str),
    st.uuids().map(str),
    st.from_regex(r"00[0-9]{3}", fullmatch=True),
]


@st.composite
def tables(draw: st.DrawFn, *, header: bool) -> list[list[str]]:
    # A column of numbers tells whether there is a header; without one DuckDB makes too much of columns without values.
    kinds = [draw(st.sampled_from(VALUES)) for _ in range(draw(st.integers(2, 5)))]
    empties = 4 if header else 0
    rows = [
        [draw(kind) if draw(st.integers(0, empties)) != 1 else "" for kind in kinds]
        for _ in range(draw(st.integers(2, 8)))
    ]
    names = [["id", *(f"name{i}" for i in range(len(kinds)))]] if header else []
    return names + [[str(i), *row] for i, row in enumerate(rows)]


@settings(deadline=None, max_examples=40)
@given(table=tables(header=True) | tables(header=False), delimiter=st.sampled_from(",;|\t"))
def test_generated_files(tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], delimiter: str) -> None:
    path = tmp_path_factory.getbasetemp() / "sniffed.csv"
    path.write_text("".join(delimiter.join(row) + "\n" for row in table))
    assert by_tolva(path) == by_duckdb(path)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n", "1,2\n3,4\n", "a,b\nc,d\n", "a,1\nb,2\n", "a,b\n", "1,2\n", "a,1\n", ",b\n1,2\n", "a,\n1,2\n",
        " a , b\n1,2\n", '"a","b"\n1,2\n', "a\n1\n", "a\nb\n", "1\n2\n", "a b,c-d\n1,2\n", "2024,2025\n1.5,2.5\n",
        "a,b\n,\n", "id,name\n1,\n", "x,2024-01-01\ny,2024-01-02\n", "true,false\ntrue,false\n", "x,y\n\n\n1,2\n",
        ",".join("abcdefghijk") + "\n" + ",".join("12345678901") + "\n", ",".join("12345678901") + "\n",
        "\n\nx,y\n1,2\n", "a;b\n1;2\n", "a|b\n1|2\n", "a\tb\n1\t2\n", "a,b;c\n1,2;3\n", "a:b\n1:2\n", "a b\n1 2\n",
        "a,b\n'x,y',2\n",
        "'a','b'\n'c','d'\n", "x,n\n'tis,5\nit's,6\n", "a,b\n1.5,2\n2.5,3\n", "5,2\n2.5,3\n",
        "a,b\n2024-01-01,2024-01-01 07:08\n",
        'a,b\n"x \\"y\\", z",1\n"u",2\n', "x,y,1\nu,v,2\n",
        "a,b,c\nx,y,1\n", "a,b\n01,2\n", 'a,b\n"1","2"\n', 'a,b\n"x\ny",2\n', "a,b\n1, 2\n3,4\n",
    ],
)  # fmt: skip
def test_telling_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    assert by_tolva(path) == by_duckdb(path)


def test_the_coffee_data() -> None:
    data = os.environ.get("TOLVA_SAMPLE_DATA")
    if not data:
        pytest.skip("TOLVA_SAMPLE_DATA names no folder with the coffee data")
    for path in sorted(Path(data).rglob("*.csv")):
        assert by_tolva(path) == by_duckdb(path), path


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "2.5"], "DOUBLE"), (["1", "1e3"], "DOUBLE"), (["01", "5"], "VARCHAR"), (["1", "true"], "VARCHAR"),
        (["2024-01-01", "2024-01-01 07:08:09"], "VARCHAR"), (["07:08", "7:08:09.5"], "TIME"),
        (["2024-02-30"], "VARCHAR"),
        (["2024-01-01 07:08:09Z", "2024-01-01 07:08:09"], "TIMESTAMP WITH TIME ZONE"), (["8/31/2017"], "VARCHAR"),
        (["", ""], None), (["", "1"], "BIGINT"), (["2024-01-01 07"], "VARCHAR"),
        (["9223372036854775808", "1"], "DECIMAL(38,0)"),
        (["9223372036854775808", "1.5"], "DOUBLE"), (["1" * 39], "VARCHAR"),
    ],
)  # fmt: skip
def test_the_narrowest_type_is_taken(texts: list[str], kind: str | None) -> None:
    assert infer(texts) == kind


def test_types_of_files_are_merged() -> None:
    assert merge("BIGINT", "DOUBLE") == "DOUBLE"
    assert merge("DATE", None) == "DATE"
    assert merge(None, None) is None
    assert merge("DATE", "TIMESTAMP") == "VARCHAR"


def test_a_sample_cut_anywhere_tells_the_same() -> None:
    text = b'id,"na\nme",day\n' + b'1,"x\n,y",2024-01-01\n2,"z ""q""",2024-02-02\n' * 5
    whole = sniff(text, complete=True, hints=Hints(), max_records=100)
    for size in range(text.index(b"2,"), len(text)):
        assert sniff(text[:size], complete=False, hints=Hints(), max_records=100) == whole
