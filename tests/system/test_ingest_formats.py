"""``tolva ingest`` over files that aren't delimited: stored, told exactly, mended and sent again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from program import Tolva

RECORDS = [
    ("1", "ana", "2000-01-02"),
    ("x", "bob", "2001-02-03"),
    ("3", "", "2002-02-30"),
    ("4", "dan", "2003-04-05"),
]
COLUMNS = {"id": {"type": "INTEGER", "required": True}, "name": {"required": True}, "born": "DATE"}
REASONS = [(2, "id", "type"), (3, "name", "required"), (3, "born", "type")]
ASK = "SELECT id, name, born FROM kept ORDER BY id"


def fixed(record: tuple[str, str, str]) -> str:
    return f"{record[0]:<3}{record[1]:<5}{record[2]}"


def as_json(record: tuple[str, str, str]) -> str:
    return json.dumps({"id": record[0], "name": record[1] or None, "born": record[2]}, separators=(",", ":"))


def write_lines(form: Callable[[tuple[str, str, str]], str], odd: str) -> Callable[[Path], list[bytes]]:
    def write(path: Path) -> list[bytes]:
        lines = [*map(form, RECORDS), odd]
        path.write_text("\n".join(lines) + "\n")
        return [line.encode() for line in lines]

    return write


def write_parquet(path: Path) -> list[bytes]:
    columns = [[value or None for value in column] for column in zip(*RECORDS, strict=True)]
    # A row group of two records each, so that there are chunks beyond the first.
    pq.write_table(pa.table(columns, names=["id", "name", "born"]), path, row_group_size=2)
    return [as_json(record).encode() for record in RECORDS]


FORMATS: dict[str, tuple[str, Callable[[Path], list[bytes]], dict[str, Any], str | None]] = {
    # format: (ending of the rejects, writes the file and returns each record's raw bytes, keys, code of a fifth record)
    "parquet": ("ndjson", write_parquet, {"format": "parquet"}, None),
    "ndjson": ("ndjson", write_lines(as_json, '{"id": '), {}, "json"),
    "dat": ("dat", write_lines(fixed, "5  eve"), {"positions": {"id": "1-3", "name": "4-8", "born": "9-18"}}, "short"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_bad_is_told_mended_and_sent_again(tolva: Tolva, tmp_path: Path, form: str) -> None:
    suffix, write, keys, odd = FORMATS[form]
    raws = write(tmp_path / f"day.{form}")
    job = {"kind": "ingest", "files": f"day.{form}", "into": "kept", "columns": COLUMNS, **keys}
    (tmp_path / "job.json").write_text(json.dumps(job))

    done = tolva("ingest", "--document", "job.json", "--chunk", "64B")

    read, bad = (4, 2) if odd is None else (5, 3)
    assert done.returncode == 3, done.stderr
    assert f"{read} read, 2 stored, {bad} rejected" in done.stdout
    expected = REASONS if odd is None else [*REASONS, (5, None, odd)]
    told = [json.loads(line) for line in (tmp_path / "results/report_0001.ndjson").read_text().splitlines()]
    assert [(each["line"], each["column"], each["code"]) for each in told] == expected
    assert [each["raw"].encode() for each in told] == [raws[line - 1] for line, _, _ in expected]
    rejects = tmp_path / f"results/rejects_0001.{suffix}"
    assert rejects.read_bytes().splitlines() == raws[1:3] + raws[4:]

    mended = [("2", "bob", "2001-02-03"), ("3", "cid", "2002-02-28")]
    rejects.write_text("".join(f"{(as_json if suffix == 'ndjson' else fixed)(record)}\n" for record in mended))
    again = tolva("ingest", "--retry-rejects", rejects, "--output", "again")
    assert again.returncode == 0, again.stderr
    stored = tolva("sql", ASK, "--stored", "kept", "-o", "csv").stdout.splitlines()[1:]
    assert stored == [",".join(record) for record in (RECORDS[0], *mended, RECORDS[3])]
