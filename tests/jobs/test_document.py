"""A job document is taken whole or refused with the place and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tolva.errors import DocumentError
from tolva.jobs.documents import load, parse, to_json, validate
from tolva.plan import Format

MINIMAL = "kind: query\ntables: {t: {files: t.csv}}\nqueries: {q: SELECT 1}\n"


def test_short_forms_mean_their_long_ones() -> None:
    document = parse(MINIMAL, "job.yaml")
    assert document.tables["t"].files == ["t.csv"]
    assert document.queries["q"].sql == "SELECT 1"
    assert document.queries["q"].format is Format.CSV
    assert document.output.max_part_bytes == 209_715_200


def test_json_is_as_good_as_yaml_and_survives_the_trip() -> None:
    document = parse('{"kind": "query", "queries": {"q": {"sql": "SELECT 1", "format": "ndjson"}}}', "job.json")
    assert validate(to_json(document), "again") == document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "ouput: {}\n", "job.yaml: unknown key 'ouput'; did you mean 'output'?"),
        ("kind: query\nqueries: {q: {sgl: SELECT 1}}", "unknown key 'queries.q.sgl'; did you mean 'sql'?"),
        ("kind: query\nqueries: {q: {sgl: SELECT 1}}", "the key 'queries.q.sql' is missing"),
        ("kind: query\ntables: {t: {file: a}}\nqueries: {q: SELECT 1}", "'tables.t.file'; did you mean 'files'?"),
        (
            "kind: query\nxyzzy: 1\nqueries: {q: SELECT 1}",
            "unknown key 'xyzzy'; known keys here: in_place_bytes, kind",
        ),
        ("kind: qery\nqueries: {q: SELECT 1}", "there is no kind of job 'qery'; did you mean 'query'?"),
        ("kind: query\nqueries: {}", "queries: Dictionary should have at least 1 item"),
        ("kind: query\nqueries: {q: {sql: a, format: cvs}}", "format: Input should be 'csv', 'ndjson' or 'parquet'"),
        ("kind: query\nqueries: {../q: SELECT 1}", "query name '../q' becomes a file name"),
        ("kind: query\ntables: {t: {}, T: {}}\nqueries: {q: SELECT 1}", "'t' and 'T' are the same name"),
        ("kind: query\ntables: {t: {}, t: {}}\nqueries: {q: SELECT 1}", "job.yaml:2:17: the name 't' is given twice"),
        (MINIMAL + "output: {max_part_bytes: 0}", "output.max_part_bytes: Input should be greater than or equal to 1"),
        ("kind: query\ntables: {t: {delimiter: ab}}\nqueries: {q: a}", "delimiter: must be one ASCII character"),
        ("kind: query\n  queries: {", "job.yaml:2:10"),
        ("- a", "a job document is a mapping with the keys kind, tables and queries"),
        ("\x00", "neither YAML nor JSON"),
    ],
)
def test_a_wrong_document_is_told_where_and_why(text: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text, "job.yaml")
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(DocumentError) as caught:
        parse("kind: query\nfoo: 1\nqueries: {q: {sql: 1}, r: {}}", "job.yaml")
    assert len(caught.value.message.splitlines()) == 3
    assert [e["pointer"] for e in caught.value.data["errors"]] == ["/queries/q/sql", "/queries/r/sql", "/foo"]


def test_files_that_are_no_documents(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(MINIMAL)
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    for path, message in [
        (tmp_path / "jop.yaml", f"there is no such file. Did you mean {tmp_path / 'job.yaml'}?"),
        (tmp_path, "is a folder"),
        (tmp_path / "latin", "is not text"),
    ]:
        with pytest.raises(DocumentError) as caught:
            load(path)
        assert message in caught.value.message


def test_a_stored_table_stands_alone_and_survives_the_trip() -> None:
    values = {
        "kind": "query",
        "tables": {"t": {"stored": "kept"}},
        "queries": {"q": {"sql": "SELECT 1", "store_as": "other", "mode": "append"}},
    }
    document = validate(values, "job.yaml")
    assert validate(to_json(document), "again") == document
    with pytest.raises(DocumentError, match="write nothing beside stored"):
        validate(values | {"tables": {"t": {"stored": "kept", "delimiter": ";"}}}, "job.yaml")
    with pytest.raises(DocumentError, match="name it with store_as"):
        validate(values | {"queries": {"q": {"sql": "SELECT 1", "mode": "append"}}}, "job.yaml")
