"""What ``tolva sniff`` prints is a job document that runs as it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tolva.errors import InputError
from tolva.jobs.direct import answer
from tolva.jobs.documents import parse
from tolva.jobs.sniff import sniffed

FILES: dict[str, tuple[bytes, list[str]]] = {
    "a.csv": (b"id;name\n1;x\n2;y\n", ["id,name", "1,x", "2,y"]),
    "b c.csv": (b"id,name\n1,x\n", ["id,name", "1,x"]),
    "order.csv": (b"id,name\n1,x\n", ["id,name", "1,x"]),
    "2024.csv": (b"1|x\n2|y\n", ["column0,column1", "1,x", "2,y"]),
    "[x].csv": (b"id,name\n1,'a,b'\n2,'c'\n", ["id,name", '1,"a,b"', "2,c"]),
    "l.csv": ("id\tname\n1\tñ\n".encode("utf-16"), ["id,name", "1,ñ"]),
    "z.csv.gz": (gzip.compress(b"id,name\n1,x\n"), ["id,name", "1,x"]),
    "odd.csv": ('"a: b","# c","""q","x\u2028y"\n1,2,3,4\n'.encode(), ['a: b,"# c","""q",x\u2028y', "1,2,3,4"]),
    "n.ndjson": (b'{"id": 1, "s": {"x": [1]}}\n{"id": 2}\n', ["id,s", "1,{'x': [1]}", "2,"]),
    "f.dat": (b"001 abc   2024-01-31\n002 defgh 2024-02-01\n", ["field0,field1,field2", "001,abc,2024-01-31"]),
    "one.txt": (b"word\nother\n", ["word", "other"]),
}


def first_records(text: str, folder: Path) -> list[str]:
    made = parse(text, "sniffed").brief(folder).prepare()
    return b"".join(answer(made, "first_records", memory_bytes=2**28)).decode().split("\n")


@pytest.mark.parametrize("name", FILES)
def test_the_document_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, expected = FILES[name]
    (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert first_records(sniffed(name), tmp_path)[: len(expected)] == expected


def test_parquet_of_many_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table(
        {"a b": [1], "t": pa.array([0], pa.timestamp("ns", "UTC")), "none": pa.nulls(1), "m": [[{"k": 1}]]}
    )
    parquet.write_table(table, "p.parquet")
    text = sniffed("p.parquet")
    assert "m: STRUCT(k BIGINT)[]" in text
    assert first_records(text, tmp_path)[:2] == ["a b,t,none,m", "1,1970-01-01 00:00:00+00,,[{'k': 1}]"]


def test_what_people_read_is_in_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n.ndjson").write_text('{"id": 1}\n{"id": \n{"id": 2}\n')
    lines = sniffed("n.ndjson").splitlines()
    assert lines[0] == "# n.ndjson: ndjson, 28 bytes, 1 columns"
    assert lines[1].startswith("# 1 of the records looked at can't be read so; a query ends at the first one")
    assert lines[-4:] == ["# The first records:", "# id", "# 1", "# 2"]


def test_files_that_tell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.csv").touch()
    Path("bad.parquet").write_bytes(b"PAR1 and no more")
    for name, words in (
        ("empty.csv", "no records"),
        ("bad.parquet", "can't be read as Parquet"),
        ("not.csv", "no such file"),
    ):
        with pytest.raises(InputError, match=words):
            sniffed(name)
