"""Compressed files and other encodings through the command: they simply work, and harm ends with a clear error."""

from __future__ import annotations

import gzip
from pathlib import Path

from program import Tolva

ROWS = 20_000
TEXT = "id,näme\n" + "".join(f'{i},"é{i}\n"\n' for i in range(ROWS))
ASK = 'SELECT count(*) AS n, sum(id) AS s, max("näme") AS m FROM t'
ANSWER = f'n,s,m\n{ROWS},{ROWS * (ROWS - 1) // 2},"é9999\n"\n'


def test_a_question_over_compressed_and_other_files(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "wide.csv").write_bytes(TEXT.encode("utf-16"))
    for name in ("packed.csv.gz", "wide.csv"):
        for chunk in ("32MB", "50KB"):
            done = tolva("sql", ASK, "--table", f"t={name}", "-o", "csv", "--chunk", chunk)
            assert (done.returncode, done.stdout) == (0, ANSWER), done.stderr


def test_a_job_over_what_is_declared(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes(b"a report\r\n" + TEXT.replace("\n", "\r\n").encode("latin-1"))
    (tmp_path / "job.yaml").write_text(
        f"kind: query\ntables: {{t: {{files: old.txt, encoding: latin-1, skip: 1}}}}\nqueries: {{q: '{ASK}'}}\n"
    )
    done = tolva("run", "job.yaml", "--chunk", "50KB")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/q_0001.csv").read_bytes().decode() == ANSWER.replace('\n"', '\r\n"')
    assert not list((tmp_path / "state/storage").rglob("input/*/*"))


def test_a_bomb(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 25_000_000, 9))
    done = tolva("sql", "SELECT count(*) FROM t", "--table", "t=bomb.csv.gz")
    assert (done.returncode, done.stdout) == (2, "")
    assert "bomb.csv.gz unpacks to more than" in done.stderr


def test_a_compressed_file_that_is_cut_short(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "short.csv.gz").write_bytes(gzip.compress(TEXT.encode())[:-100])
    done = tolva("sql", "SELECT count(*) FROM t", "--table", "t=short.csv.gz")
    assert (done.returncode, done.stdout) == (2, "")
    assert "short.csv.gz is cut short" in done.stderr
