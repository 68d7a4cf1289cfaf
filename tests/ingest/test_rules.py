"""Every rule of a column, judged on its own: which records it refuses, with which code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tolva import formats
from tolva.errors import DocumentError
from tolva.ingest import chunks, outputs
from tolva.jobs.documents import validate
from tolva.model import Claim
from tolva.plan import Role
from tolva.storages.local import LocalStorage
from tolva.work import partials
from tolva.work.engine import Engine
from tolva.work.kernel import Errand

Outcome = tuple[list[tuple[Any, ...]], dict[int, list[tuple[str | None, str]]]]
"""Stored rows, and by line of the file the (column, code) of its reasons."""


def run(folder: Path, text: str, **document: Any) -> Outcome:
    """Load a file of one chunk by the kernel alone."""
    (folder / "t.csv").write_text(text)
    values = {"kind": "ingest", "into": "t", "files": "t.csv", **document}
    plan = validate(values, "test").brief(folder).prepare().plan
    (new,) = validate(values, "test").brief(folder).prepare().tables[0].files
    storage = LocalStorage(folder / "storage")
    file = formats.unstored(new)
    (chunk,) = formats.chunks_of(file, 2**20)
    engine = Engine(memory_bytes=2**28, threads=1, spill=folder)
    claim = Claim(1, 1, "job", "load", Role.SCAN, 0, 0.0, file, chunk)
    done = chunks.load(Errand(plan, plan.stage("load"), claim, storage, engine))
    engine.close()
    assert done.partial
    (info,) = partials.read(storage, [done.partial], outputs.INFO, None)[0].to_pylist()
    rows = pq.read_table(folder / "storage" / info["key"]).to_pylist() if info["key"] else []
    reasons = defaultdict(list)
    for table in partials.read(storage, [done.partial], outputs.REPORT, None):
        for line in table["line"].to_pylist():
            found = json.loads(line)
            reasons[found["line"]].append((found["column"], found["code"]))
    assert info["read"] == len(rows) + len(reasons) == len(text.splitlines()) - 1
    return [tuple(row.values()) for row in rows], dict(reasons)


CASES: dict[str, tuple[Mapping[str, Any], list[str], list[str], str]] = {
    # rule: (column, good fields, bad fields, code)
    "type": ({"type": "INTEGER"}, ["1", "-7", ""], ["x", "1.5e99", "99999999999"], "type"),
    "date": ({"type": "DATE", "format": "%d.%m.%Y"}, ["1.2.2024", "29.02.2024"], ["29.02.2023", "2024-01-01"], "type"),
    "two formats": (
        {"type": "DATE", "format": ["%d.%m.%Y", "%Y-%m-%d"]},
        ["1.2.2024", "2024-02-01"],
        ["2/1/24"],
        "type",
    ),
    "required": ({"required": True}, ["a", " "], [""], "required"),
    "required and trimmed": ({"required": True, "trim": True}, ["a", " a "], ["  "], "required"),
    "min": ({"type": "INTEGER", "min": 5}, ["5", "6", ""], ["4"], "min"),
    "max": ({"type": "DECIMAL(9,2)", "max": "1.50"}, ["1.5", "-3"], ["1.51"], "max"),
    "max of a date": ({"type": "DATE", "max": "2024-12-31"}, ["2024-12-31"], ["2025-01-01"], "max"),
    "length": ({"min_length": 2, "max_length": 3}, ["ab", "äöü", ""], ["äöüß"], "max_length"),
    "values": ({"values": ["a", "b"]}, ["a", "b", ""], ["c", "A"], "not_allowed"),
    "values of a number": ({"type": "INTEGER", "values": [1, 2]}, ["1", "02"], ["3"], "not_allowed"),
    "pattern": ({"pattern": "[a-z]+'?"}, ["ab", "x'"], ["ab1", "A"], "pattern"),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_refuses_what_it_should_and_nothing_else(tmp_path: Path, rule: str) -> None:
    column, good, bad, code = CASES[rule]
    text = "n,v\n" + "".join(f"{n},{field}\n" for n, field in enumerate([*good, *bad]))
    rows, reasons = run(tmp_path, text, columns={"n": "INTEGER", "v": dict(column)})
    assert [row[0] for row in rows] == list(range(len(good)))
    assert reasons == {2 + len(good) + n: [("v", code)] for n in range(len(bad))}


def test_what_comes_again_is_judged_like_what_comes_once(tmp_path: Path) -> None:
    fields = ["", "x", "4", "5", " 7", "\u00fc"]
    texts = [fields[n * n % 7 % len(fields)] for n in range(20_000)]
    text = "n,v\n" + "".join(f"{n},{field}\n" for n, field in enumerate(texts))
    column = {"from": "v", "type": "INTEGER", "required": True, "min": 5, "trim": True}
    again = {"from": "v", "type": "VARCHAR", "default": "none"}
    computed = {"sql": "v + 1", "type": "INTEGER"}
    checks = [{"sql": "v IS NULL OR v < 7 OR n % 2 = 0", "code": "odd"}]
    columns = {"n": "INTEGER", "v": column, "again": again, "next": computed}
    rows, reasons = run(tmp_path, text, columns=columns, checks=checks)
    codes = {"": ("v", "required"), "x": ("v", "type"), "4": ("v", "min"), "\u00fc": ("v", "type")}
    bad = {n: [codes[field]] for n, field in enumerate(texts) if field in codes}
    bad |= {n: [(None, "odd")] for n, field in enumerate(texts) if field == " 7" and n % 2}
    assert reasons == {n + 2: found for n, found in bad.items()}
    assert rows == [(n, int(field), field, int(field) + 1) for n, field in enumerate(texts) if n not in bad]


def test_a_record_has_all_its_reasons(tmp_path: Path) -> None:
    columns = {
        "a": {"type": "INTEGER", "min": 10},
        "b": {"required": True},
        "c": {"sql": "1 // (a - 3)", "type": "INTEGER"},
        "twice": {"sql": "error_free || b", "default": "none"},
    }
    checks = [{"sql": "a > 3 OR b = 'ok'", "code": "three"}]
    text = 'a,b,error_free\n3,,x\n20,ok,y\nx,,\n30,"multi\nline",z\n'
    (tmp_path / "t.csv").write_text(text)
    values = {"kind": "ingest", "into": "t", "files": "t.csv", "columns": columns, "checks": checks}
    assert validate(values, "test").brief(tmp_path).prepare()
    rows, reasons = run(tmp_path, text.replace('"multi\nline"', "one"), columns=columns, checks=checks)
    assert rows == [(20, "ok", 0, "yok"), (30, "one", 0, "zone")]
    assert reasons == {
        2: [("a", "min"), ("b", "required"), ("c", "computed")],
        4: [("a", "type"), ("b", "required")],
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": {"x": {"from": "aa"}}}, "did you mean a"),
        ({"columns": {"x": {"sql": "zz + 1"}}}, '"zz" not found'),
        ({"columns": {"x": {"sql": "(SELECT max(a) FROM record)"}}}, "one record"),
        ({"columns": {"x": {"sql": "count(b)"}}}, "one record"),
        ({"columns": {"x": {"sql": "row_number() OVER ()", "type": "INTEGER"}}}, "one record"),
        ({"columns": {"x": {"sql": "read_text('/etc/passwd')"}}}, "read_text"),
        ({"columns": {"x": {"sql": "uuid()::VARCHAR || a"}}}, r"columns\.x\.sql calls uuid\(\)"),
        ({"columns": {"x": {"sql": "list_sum([n + random() for n in [1]])"}}}, r"random\(\)"),
        ({"columns": {"x": {"sql": "CASE WHEN a = '1' THEN error('no') END"}}}, r"error\(\).*write a check"),
        (
            {"columns": {"a": "VARCHAR"}, "checks": [{"sql": "random() < 2", "code": "c"}]},
            r"checks\.c\.sql calls random",
        ),
        ({"columns": {"x": {"sql": "1) AS value, (2"}}}, "one record"),
        ({"columns": {"a": {"type": "INTEGER", "default": "x"}}}, "default: 'x' is not INTEGER"),
        ({"columns": {"a": {"pattern": "("}}}, "pattern"),
        ({"columns": {"a": "NUMBR"}}, "no type"),
        ({"columns": {"a": "VARCHAR"}, "checks": [{"sql": "a"}]}, "a condition"),
        ({"columns": {"a": "VARCHAR"}, "mode": "upsert"}, "a key go together"),
        ({"columns": {"a": "VARCHAR"}, "key": "zz", "mode": "upsert"}, "no column of the table"),
        ({"columns": {"a": {"sql": "1", "trim": True}}}, "not both"),
        ({"columns": {"a": {"minimum": 1}}}, "did you mean 'min"),
    ],
)
def test_what_can_t_be_is_told_before_anything_runs(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DocumentError, match=message):
        validate({"kind": "ingest", "into": "t", "files": "t.csv", **changes}, "test").brief(tmp_path).prepare()
