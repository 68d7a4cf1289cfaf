"""Bad input ends with one message that says what, where and what to do, and with the right exit code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Tolva

GOOD = "a,b,d\n1,2.5,2024-01-01\n2,3.5,2024-01-02\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "folder").mkdir()
    return tmp_path


def document(folder: Path, columns: str = "{a: INTEGER, b: DOUBLE, d: DATE}", files: str = "t.csv") -> Path:
    path = folder / "job.yaml"
    query = "SELECT max(a), max(b), max(d) FROM t"
    path.write_text(f"kind: query\ntables:\n  t: {{files: {files}, columns: {columns}}}\nqueries: {{q: '{query}'}}\n")
    return path


@pytest.mark.parametrize(
    ("content", "code", "messages"),
    [
        ("a,b,d\n1,x,2024-01-01\n", 1, ["t.csv:2: column b: 'x' is not a DOUBLE", "declare the column as VARCHAR"]),
        ("a,b,d\n1,1,2024-01-01\n99999999999,1,2024-01-01\n", 1, ["t.csv:3: column a: '99999999999' is not a"]),
        ("a,b,d\n1,1,2024-02-30\n", 1, ["t.csv:2: column d: '2024-02-30' is not a DATE"]),
        ('a,b,d\n1,1,2024-01-01\n"2\n",1,2024-01-01\n3,x,2024-01-01\n', 1, ["t.csv:5: column b: 'x'"]),
        ("a,b,d\n1,1,2024-01-01\n1,1\n", 1, ["t.csv:3: has 2 fields, expected 3"]),
        ("a,b,d\n1,1,2024-01-01,9\n", 1, ["t.csv:2: has 4 fields, expected 3"]),
        ('a,b,d\n1,1,"2024-01-01\n', 1, ["t.csv:2", "quote"]),
        ("a,b\n1,1\n", 2, ["column d is declared", "t.csv", "its columns: a, b"]),
        ("a,a,b,d\n1,1,1,2024-01-01\n", 2, ["t.csv", "its header has both", "rename one"]),
        ("a,b,d\n1,\0,2024-01-01\n", 2, ["t.csv", "NUL"]),
    ],
)
def test_records_that_don_t_fit(folder: Path, tolva: Tolva, content: str, code: int, messages: list[str]) -> None:
    (folder / "t.csv").write_text(content)
    done = tolva("run", document(folder))
    assert done.returncode == code, done.stderr
    assert_told(done, *messages)


def test_a_file_that_isn_t_utf8(folder: Path, tolva: Tolva) -> None:
    (folder / "t.csv").write_bytes(b"a,b,d\n1,1,2024-01-01\n2,\xff,2024-01-01\n")
    done = tolva("run", document(folder))
    assert done.returncode == 1
    assert_told(done, "t.csv:3", "UTF-8")


@pytest.mark.parametrize(
    ("files", "messages"),
    [
        ("goood.csv", ["goood.csv", "good.csv"]),
        ("folder", ["folder is a folder", "folder/*.csv"]),
        ("folder/*.csv", ["folder/*.csv"]),
    ],
)
def test_files_that_aren_t_there(folder: Path, tolva: Tolva, files: str, messages: list[str]) -> None:
    done = tolva("run", document(folder, files=files))
    assert done.returncode == 2
    assert_told(done, *messages)


def test_an_empty_file_has_no_records_but_declared_columns(folder: Path, tolva: Tolva) -> None:
    (folder / "t.csv").touch()
    done = tolva("run", document(folder))
    assert done.returncode == 0, done.stderr
    assert (folder / "results/q_0001.csv").read_text() == "max(a),max(b),max(d)\n,,\n"
    undeclared = tolva("sql", "SELECT * FROM t", "--table", "t=t.csv")
    assert undeclared.returncode == 2
    assert_told(undeclared, "table t", "declare its columns")


def test_a_binary_file(folder: Path, tolva: Tolva) -> None:
    (folder / "t.csv").write_bytes(bytes(range(256)) * 4)
    done = tolva("sql", "SELECT * FROM t", "--table", "t=t.csv")
    assert done.returncode == 2
    assert_told(done, "t.csv isn't text")


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("SELECT a, bb FROM t", ['"bb" not found', "Did you mean b?", "select a, bb from t", "          ^"]),
        ("SELECT a FROM tt", ["Table with name tt", "Did you mean t?", "select a from tt", "              ^"]),
        ("SELEC a FROM t", ['syntax error at or near "selec"', "selec a from t", "^"]),
        ("SELECT a,\nFROM t\nWHERE", ["syntax error"]),
        ("SELECT a + d FROM t", ["+", "BIGINT", "DATE"]),
        ("SELECT 1; SELECT 2", ["2 statements"]),
        ("COPY t TO 'x'", ["not a SELECT but COPY", "exactly one SELECT"]),
        ("SELECT * FROM 'gone.csv'", ["gone.csv: there is no such file"]),
        ("SELECT * FROM read_csv('good.csv')", ["read_csv() isn't allowed", "Name the files as a table"]),
        ("", ["exactly one SELECT"]),
    ],
)
@pytest.mark.usefixtures("folder")
def test_sql_that_can_t_be(tolva: Tolva, query: str, messages: list[str]) -> None:
    done = tolva("sql", query, "--table", "t=good.csv")
    assert done.returncode == 2, done.stderr
    assert_told(done, *messages)


@pytest.mark.usefixtures("folder")
def test_sql_that_fails_while_it_runs(tolva: Tolva) -> None:
    done = tolva("sql", "SELECT a * 9223372036854775807 FROM t", "--table", "t=good.csv")
    assert done.returncode == 1
    assert_told(done, "answer", "verflow")


@pytest.mark.parametrize("command", ["sql", "run"])
def test_sql_that_fails_for_a_record(folder: Path, tolva: Tolva, command: str) -> None:
    # Given a record, after one with a line break in it, that the query can't work on
    (folder / "t.csv").write_text('a,b,d\n1,2.5,"x\ny"\n2,3.5,7\n0,1.5,8\n3,1,9\n')
    query = "SELECT b, 10 // a, if(a = 0, CAST('x' || a AS INTEGER), 1) FROM t"
    if command == "run":
        path = folder / "job.yaml"
        path.write_text(f'kind: query\ntables: {{t: {{files: t.csv}}}}\nqueries: {{q: "{query}"}}\n')
        done = tolva("run", path)
    else:
        done = tolva("sql", query, "--table", "t=t.csv")
    # Then the message names it: file, line, and the values that the query uses
    assert done.returncode == 1
    assert_told(done, "failed in stage scan_t", "the record in line 5 of t.csv", "a is 0")


@pytest.mark.usefixtures("folder")
def test_two_tables_of_one_name(tolva: Tolva) -> None:
    done = tolva("sql", "SELECT 1", "--table", "t=good.csv", "--table", "t=good.csv")
    assert done.returncode == 2
    assert_told(done, "--table t is given twice")


def test_an_unknown_key(folder: Path, tolva: Tolva) -> None:
    (folder / "job.yaml").write_text("kind: query\ntabels: {}\nqueries: {q: SELECT 1}\n")
    done = tolva("run", "job.yaml")
    assert done.returncode == 2
    assert_told(done, "job.yaml: unknown key 'tabels'; did you mean 'tables'?")


def test_output_that_can_t_be_written(folder: Path, tolva: Tolva) -> None:
    (folder / "t.csv").write_text(GOOD)
    done = tolva("run", document(folder), "--output", "good.csv/results")
    assert done.returncode == 2
    assert_told(done, "can't be written to good.csv/results", "--output")


def test_state_that_can_t_be_written(folder: Path, tolva: Tolva) -> None:
    (folder / "t.csv").write_text(GOOD)
    done = tolva("run", document(folder), "--state", "good.csv/state")
    assert done.returncode == 2
    assert_told(done, "state folder good.csv/state", "--state")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_the_record_that_a_query_fails_over_is_named(folder: Path, tolva: Tolva) -> None:
    # Given records of which one spans two lines, and a later one that can't be cast
    lines = [f"{n},{n}" for n in range(3000)]
    lines[7], lines[2000] = '7,"x\ny"', "2000,oops"
    (folder / "n.csv").write_text("a,b\n" + "\n".join(lines) + "\n")
    path = folder / "job.yaml"
    sql = "SELECT sum(CASE WHEN a > 10 THEN b::BIGINT END) FROM n"
    path.write_text(f"kind: query\ntables: {{n: {{files: n.csv, columns: {{b: VARCHAR}}}}}}\nqueries: {{q: {sql}}}\n")
    # When a query casts it, whether its chunk begins the file or not
    for chunk in ("1MB", "1KB"):
        done = tolva("run", path, "--chunk", chunk)
        # Then the error names query, stage, value, file and line
        assert done.returncode == 1
        assert_told(done, "Query 'q' failed in stage scan_n", "'oops'", "the record in line 2003 of n.csv")


def test_a_query_that_fails_over_all_records_names_none(folder: Path, tolva: Tolva) -> None:
    (folder / "n.csv").write_text("a\n" + "9223372036854775807\n" * 3)
    path = folder / "job.yaml"
    path.write_text('kind: query\ntables: {n: {files: n.csv}}\nqueries: {q: "SELECT product(a)::BIGINT FROM n"}\n')
    done = tolva("run", path)
    assert done.returncode == 1
    assert_told(done, "Query 'q' failed in stage")
    assert "record in line" not in done.stderr


def test_a_full_disk_for_results(folder: Path, tolva: Tolva, small_disk: Path) -> None:
    (folder / "t.csv").write_text("a,b,d\n" + "1,2.5,2024-01-01\n" * 200_000)
    path = folder / "job.yaml"
    path.write_text("kind: query\ntables: {t: {files: t.csv}}\nqueries: {q: SELECT * FROM t}\n")
    done = tolva("run", path, "--output", small_disk / "results")
    assert done.returncode == 2
    assert_told(done, "No space left on device", "--resume")
    # The result is kept: with room for it, only the delivery is made up for.
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    resumed = tolva("run", path, "--output", small_disk / "results", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (small_disk / "results/q_0001.csv").read_text().count("\n") == 200_001


def test_a_full_disk_for_work_in_progress(folder: Path, tolva: Tolva, small_disk: Path) -> None:
    (folder / "t.csv").write_text("a,b,d\n" + "1,2.5,2024-01-01\n" * 400_000)
    path = folder / "job.yaml"
    path.write_text("kind: query\ntables: {t: {files: t.csv}}\nqueries: {q: SELECT * FROM t}\n")
    done = tolva("run", path, "--state", small_disk / "state")
    assert done.returncode == 1
    assert_told(done, "full", "Free space")


def assert_told(done: subprocess.CompletedProcess[str], *messages: str) -> None:
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message.casefold() in done.stderr.casefold(), done.stderr
