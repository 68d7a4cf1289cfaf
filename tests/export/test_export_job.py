"""Export jobs, run by the command as users do."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import command
import pytest
from export_kit import lines

from tolva.errors import TolvaError
from tolva.jobs.documents import validate

SOURCE = {"kind": "claims", "claims_per_key": 3}


def export(folder: Path, *words: str, **document: Any) -> tuple[int, str, str]:
    given = {"kind": "export", "name": "Z9000", "source": SOURCE, **document}
    (folder / "job.json").write_text(json.dumps(given))
    return command.run("run", "job.json", "--output", "out", *words, cwd=folder)


def claims_of(folder: Path) -> Counter[str]:
    parts = [path for path in (folder / "out").glob("Z9000_*.ndjson*") if "_error" not in path.name]
    claims = lines(parts)
    assert max(Counter(claim["claim_id"] for claim in claims).values(), default=1) == 1
    return Counter(claim["beneficiary_id"] for claim in claims)


def test_85_beneficiaries_10_a_batch(tmp_path: Path) -> None:
    keys = [f"{number:011}" for number in range(1, 86)]
    (tmp_path / "beneficiaries.txt").write_text("\n".join(keys))
    source = {**SOURCE, "missing_ratio": 0.1, "flaky_ratio": 0.2}
    code, out, err = export(tmp_path, keys={"file": "beneficiaries.txt"}, batch_size=10, source=source)
    assert code == 3, err
    assert out.splitlines() == ["out/Z9000_0001.ndjson", "out/Z9000_0001_error.ndjson"]
    claims = claims_of(tmp_path)
    errors = lines([tmp_path / "out" / "Z9000_0001_error.ndjson"])
    assert sorted([*claims, *(error["key"] for error in errors)]) == keys
    assert set(claims.values()) == {3}
    assert {error["code"] for error in errors} == {"not_found"}
    assert f"{len(errors)} could not be had or used" in err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [(part["name"], part["records"]) for part in manifest["output"]] == [
        ("Z9000_0001.ndjson", claims.total()),
        ("Z9000_0001_error.ndjson", len(errors)),
    ]


def test_parts_of_a_known_size(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("name;id\n" + "".join(f"a;{number:04}\n" for number in range(2000)))
    keys = {"files": "keys.csv", "column": "ID"}
    code, out, err = export(tmp_path, keys=keys, fetchers=2, output={"max_part_bytes": 100_000, "gzip": False})
    assert code == 0, err
    parts = [tmp_path / name for name in out.split()]
    assert [part.name for part in parts] == [f"Z9000_{number:04}.ndjson" for number in range(1, len(parts) + 1)]
    sizes = [part.stat().st_size for part in parts]
    assert max(sizes) <= 100_000
    assert len(sizes) <= -(-sum(sizes) // 100_000) * 1.5
    assert claims_of(tmp_path) == {f"{number:04}": 3 for number in range(2000)}


def test_keys_of_a_stored_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(f"{number:03}\n" for number in range(50)))
    query = {"sql": "SELECT DISTINCT id FROM t WHERE id >= '040'", "store_as": "wanted"}
    table = {"files": "t.csv", "header": False, "columns": {"id": "VARCHAR"}}
    (tmp_path / "query.json").write_text(json.dumps({"kind": "query", "tables": {"t": table}, "queries": {"q": query}}))
    code, _, err = command.run("run", "query.json", cwd=tmp_path)
    assert code == 0, err
    code, _, err = export(tmp_path, keys={"stored": "wanted", "column": "id"})
    assert code == 0, err
    assert claims_of(tmp_path) == {f"{number:03}": 3 for number in range(40, 50)}


def test_keys_that_a_query_chooses(tmp_path: Path) -> None:
    rows = [f"{number},{number % 3}\n" for number in range(1000)]
    (tmp_path / "members.csv").write_text("".join(["id,plan\n", *rows]))
    (tmp_path / "plans.csv").write_text("plan,name\n0,gold\n1,silver\n2,gold\n")
    keys = {
        "sql": "SELECT id FROM members JOIN plans USING (plan) WHERE name = 'gold' ORDER BY id DESC",
        "tables": {"members": {"files": "members.csv"}, "plans": {"files": "plans.csv"}},
    }
    code, _, err = export(tmp_path, keys=keys, fetchers=2)
    assert code == 0, err
    assert claims_of(tmp_path) == {str(number): 3 for number in range(1000) if number % 3 != 1}
    with sqlite3.connect(tmp_path / "state" / "catalog.db") as catalog:
        tasks = "SELECT count(*) FROM task JOIN stage ON stage.id = task.stage_id WHERE stage.name = 'fetch'"
        # Two fetchers with 16 batches of 10 keys each make a task.
        assert catalog.execute(tasks).fetchone() == (-(-666 // 320),)
    none = {"sql": "SELECT id FROM members WHERE false", "tables": {"members": {"files": "members.csv"}}}
    code, out, err = export(tmp_path, keys=none)
    assert (code, out) == (0, ""), err


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sql": "SELECT 1, 2"}, "the query gives 2 columns"),
        ({"sql": "SELECT DATE '2024-01-01'"}, "the query gives DATE"),
        ({"sql": "SELECT 1", "column": "a"}, "write nothing beside"),
        ({"tables": {"a": {"files": "a.csv"}}}, "write the sql"),
        ({"sql": "SELECT id FROM t", "tables": {"t": {"filse": "a.csv"}}}, "did you mean 'files'?"),
    ],
)
def test_queries_that_choose_no_keys(tmp_path: Path, keys: Any, told: str) -> None:
    code, _, err = export(tmp_path, keys=keys)
    assert code == 2
    assert told in err


def test_files_of_a_query_are_the_jobs_files() -> None:
    keys = {"sql": "SELECT id FROM t JOIN u USING (id)", "tables": {"t": {"files": "a.csv"}, "u": {}}}
    document = validate({"kind": "export", "keys": keys, "source": SOURCE}, "test")
    assert document.server_files() == ["a.csv"]
    assert list(document.uploads()) == ["u"]
    sent, files = document.to_send()
    assert (list(sent.uploads()), files) == (["t", "u"], {"t": ["a.csv"]})


def test_a_list_of_keys_and_gzip(tmp_path: Path) -> None:
    code, out, err = export(tmp_path, keys=["a", 7, "0x"], output={"gzip": True})
    assert (code, out.split()) == (0, ["out/Z9000_0001.ndjson.gz"]), err
    assert claims_of(tmp_path) == {"a": 3, "7": 3, "0x": 3}


def test_many_fetchers_fit_into_the_memory_of_a_child(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("".join(f"{number}\n" for number in range(3000)))
    code, _, err = export(tmp_path, "--memory", "200MB", keys={"file": "keys.txt"}, fetchers=256, batch_size=3)
    assert code == 0, err
    assert len(claims_of(tmp_path)) == 3000


def test_nothing_found_makes_no_part(tmp_path: Path) -> None:
    code, out, err = export(tmp_path, keys=["a"], source={"kind": "claims", "claims_per_key": 0})
    assert (code, out) == (0, ""), err


def test_an_empty_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("id,name\n1,a\n,b\n2,c\n")
    code, _, err = export(tmp_path, keys={"files": ["keys.csv"], "column": "id"})
    assert code == 3, err
    assert claims_of(tmp_path) == {"1": 3, "2": 3}
    assert lines([tmp_path / "out" / "Z9000_0001_error.ndjson"]) == [
        {"key": None, "code": "no_key", "message": "the key is empty", "attempts": 0}
    ]


def test_too_many_failed_keys_fail_the_job(tmp_path: Path) -> None:
    source = {**SOURCE, "missing_ratio": 1}
    code, out, err = export(tmp_path, keys=["a", "b", "c"], source=source, max_failed_keys=2)
    assert (code, out) == (1, "")
    assert "3 keys failed, more than max_failed_keys (2) allows" in err


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"keys": ["a"], "source": {"kind": "claim"}}, "there is no source 'claim'; write one of claims, http, table"),
        ({"keys": ["a"], "source": {"kind": "claims", "latency": 1}}, "latency"),
        ({"keys": ["a"], "source": "claims"}, "a source is a mapping"),
        ({"keys": []}, "keys.listed"),
        ({"keys": {"files": "keys.csv", "listed": ["a"]}}, "keys are listed, or in a table"),
        ({"keys": {"stored": "t", "files": "keys.csv"}}, "write only column beside stored"),
        ({"keys": {"stored": "t", "column": "id"}}, "no stored table t"),
        ({"keys": {"file": "absent.txt"}}, "absent.txt"),
        ({"keys": {"files": "keys.csv"}}, "say which holds the keys"),
        ({"keys": {"files": "keys.csv", "column": "x"}}, "there is no column 'x'; there are id, name"),
        ({"keys": ["a"], "name": "a/b"}, "name"),
        ({"keys": ["a"], "source": {"kind": "http", "url": "http://example.org/{key}"}}, "TOLVA_SOURCE_HOSTS"),
    ],
)
def test_what_can_t_be_is_told(tmp_path: Path, document: dict[str, Any], told: str) -> None:
    (tmp_path / "keys.csv").write_text("id,name\n1,a\n")
    with pytest.raises(TolvaError) as refused:
        validate({"kind": "export", "source": SOURCE, **document}, "job.json").brief(tmp_path).prepare()
    assert told in str(refused.value)
