"""Keys sent to a server; what became of each is fetched from it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from served import Server

from tolva.client import Client


def test_keys_are_sent_and_their_parts_fetched(server: Server, tmp_path: Path) -> None:
    keys = [f"{number:05}" for number in range(500)]
    (tmp_path / "members.csv").write_text("name,id\n" + "".join(f"x,{key}\n" for key in keys))
    source = {"kind": "claims", "claims_per_key": 3, "missing_ratio": 0.05}
    cap = 100_000
    document = {
        "kind": "export",
        "name": "Z9000",
        "keys": {"column": "id"},
        "source": source,
        "output": {"max_part_bytes": cap},
    }
    with Client(server.url) as client:
        job = client.submit(document)
        job.upload("keys", tmp_path / "members.csv")
        job.start()
        job.wait()
        paths = job.download(tmp_path / "out")
        rejects = job.rejects()
    parts = [path for path in paths if "_error" not in path.name]
    assert sorted(path.name for path in parts) == [f"Z9000_{n:04}.ndjson" for n in range(1, len(parts) + 1)]
    assert len(parts) > 1
    assert max(path.stat().st_size for path in parts) <= cap
    claims = Counter(json.loads(line)["beneficiary_id"] for path in parts for line in path.read_text().splitlines())
    assert set(claims.values()) == {3}
    failed = [
        json.loads(line)["key"] for line in (tmp_path / "out" / "Z9000_0001_error.ndjson").read_text().splitlines()
    ]
    assert failed
    assert rejects == len(failed)
    assert sorted([*claims, *failed]) == keys


def test_the_rows_of_a_stored_table_are_fetched_by_key(server: Server, tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("member,visit\n" + "".join(f"{n % 10},{n}\n" for n in range(50)))
    (tmp_path / "keys.txt").write_text("3\n11\n7\n")
    source = {"kind": "table", "name": "visits", "column": "member"}
    with Client(server.url) as client:
        columns = {"member": "INTEGER", "visit": "INTEGER"}
        load = client.submit({"kind": "ingest", "into": "visits", "columns": columns})
        load.upload("visits", tmp_path / "visits.csv")
        load.start()
        load.wait()
        job = client.submit({"kind": "export", "keys": {"header": False}, "source": source})
        job.upload("keys", tmp_path / "keys.txt")
        job.start()
        job.wait()
        job.download(tmp_path / "out")
    records, errors = (
        [json.loads(line) for line in (tmp_path / "out" / name).read_text().splitlines()]
        for name in ("export_0001.ndjson", "export_0001_error.ndjson")
    )
    assert records == [{"member": n % 10, "visit": n} for n in (*range(3, 50, 10), *range(7, 50, 10))]
    assert [(each["key"], each["code"]) for each in errors] == [("11", "no_record")]
