"""A dirty file sent to a server: what was good is stored, what was bad is told."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from served import Server

from tolva.client import Client
from tolva.errors import NotFoundError

DOCUMENT = {
    "kind": "ingest",
    "into": "people",
    "columns": {"id": {"type": "INTEGER", "required": True}, "born": "DATE"},
    "on_error": "reject",
}
FILE = "id,born\n1,2001-02-03\nx,2001-02-03\n3,yesterday\n4,2004-05-06\n"


def test_rejects_are_told_in_both_formats(server: Server, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(FILE)
    with Client(server.url) as client:
        job = client.submit(DOCUMENT)
        job.upload("people", tmp_path / "people.csv")
        job.start()
        job.wait()
        assert job.rejects() == 2
        told = [json.loads(line) for line in b"".join(job.report()).splitlines()]
        assert [(each["file"], each["line"], each["column"]) for each in told] == [
            ("people.csv", 3, "id"),
            ("people.csv", 4, "born"),
        ]
        rows = list(csv.DictReader(io.StringIO(b"".join(job.report("csv")).decode())))
        assert [row["line"] for row in rows] == ["3", "4"]

        asked = client.submit(
            {
                "kind": "query",
                "tables": {"people": {"stored": "people"}},
                "queries": {"q": "SELECT id, born FROM people ORDER BY id"},
            }
        )
        asked.start()
        asked.wait()
        assert [(row["id"], str(row["born"])) for row in asked.rows("q")] == [(1, "2001-02-03"), (4, "2004-05-06")]
        with pytest.raises(NotFoundError, match="a query job rejects nothing"):
            list(asked.report())
