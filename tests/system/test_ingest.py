"""``tolva ingest`` against a checker that knows nothing of it: totals, every reason, every stored record."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from client_checker import Expected, expected
from program import Tolva

from tolva.clients.generate import generate

SEED = int(os.environ.get("TOLVA_SEED", "11"))
SAMPLE = os.environ.get("TOLVA_SAMPLE_DATA")

ASK = "SELECT NombreCompleto, DNI, Estado, FechaIngreso, EsPEP, EsSujetoObligado FROM clientes ORDER BY ALL"


def stored(tolva: Tolva) -> list[list[str]]:
    done = tolva("sql", ASK, "--stored", "clientes", "-o", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.reader(done.stdout.splitlines()))[1:]


def as_texts(rows: Expected) -> list[list[str]]:
    def text(value: object) -> str:
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    return sorted([text(value) for value in row] for row in rows.stored)


def assert_reported(folder: Path, rows: Expected, name: str = "clients.dat") -> None:
    """The reports, the rejects and the summary say what the checker says."""
    summary = json.loads((folder / "summary_0001.json").read_text())
    assert (summary["read"], summary["stored"]) == (rows.read, len(rows.stored))
    assert (summary["rejected"], summary["reasons"]) == (len(rows.rejects), len(rows.reasons))
    assert sum(each["reasons"] for each in summary["by"]) == len(rows.reasons)
    lines = [json.loads(line) for line in (folder / "report_0001.ndjson").read_text().splitlines()]
    assert [(r["line"], r["offset"], r["column"], r["code"], r["raw"]) for r in lines] == rows.reasons
    assert {r["file"] for r in lines} <= {name}
    assert (folder / "rejects_0001.dat").read_text().splitlines() == rows.rejects


def assert_csv_says_the_same(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "report_0001.ndjson").read_text().splitlines()]
    with (folder / "report_0001.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [list(map(str, line.values())) for line in lines] == [list(record.values()) for record in table]


@pytest.mark.parametrize(("chunk", "workers"), [("16KB", 3), ("1MB", 1)])
def test_a_dirty_file_is_sorted_out_as_the_checker_does(tolva: Tolva, tmp_path: Path, chunk: str, workers: int) -> None:
    generate(tmp_path, rows=4000, dirty=0.3, seed=SEED)
    path = tmp_path / "clients.yaml"
    path.write_text(path.read_text() + "report: {formats: [csv]}\n")
    done = tolva("ingest", "--document", "clients.yaml", "--chunk", chunk, "--workers", str(workers))
    rows = expected(tmp_path / "clients.dat")
    assert done.returncode == 3, done.stderr
    assert f"{rows.read:,} read, {len(rows.stored):,} stored, {len(rows.rejects):,} rejected" in done.stdout
    assert_reported(tmp_path / "results", rows)
    assert_csv_says_the_same(tmp_path / "results")
    assert sorted(stored(tolva)) == as_texts(rows)
    with closing(sqlite3.connect(tmp_path / "state/catalog.db")) as catalog:
        (chunks,) = catalog.execute("SELECT count(*) FROM chunk").fetchone()
    assert chunks % workers == 0


def test_a_clean_file_ends_with_exit_code_0_and_again_is_refused(tolva: Tolva, tmp_path: Path) -> None:
    generate(tmp_path, rows=100, dirty=0, seed=SEED)
    done = tolva("ingest", "--document", "clients.yaml")
    assert (done.returncode, done.stdout) == (0, "clientes: 100 read, 100 stored, 0 rejected\n")
    again = tolva("ingest", "--document", "clients.yaml")
    assert again.returncode == 1
    assert "clients.dat has the content of clients.dat" in again.stderr
    assert len(stored(tolva)) == 100
    allowed = tolva("ingest", "--document", "clients.yaml", "--allow-again", "--chunk", "1KB")
    assert allowed.returncode == 0, allowed.stderr
    assert len(stored(tolva)) == 200


def test_mended_rejects_are_sent_again(tolva: Tolva, tmp_path: Path) -> None:
    generate(tmp_path, rows=300, dirty=0.2, seed=SEED)
    assert tolva("ingest", "--document", "clients.yaml", "--mode", "replace").returncode == 3
    rejects = tmp_path / "results/rejects_0001.dat"
    fields = [line.split("|") for line in rejects.read_text().splitlines()]
    mended = [f"{f[0][:9]}|{f[1][:9]}|{f[2]}|{f[3]}|1/2/2024|false|{f[6]}\n" for f in fields]
    rejects.write_text("".join(mended))
    done = tolva("ingest", "--retry-rejects", rejects, "--output", "again")
    assert done.returncode == 0, done.stderr
    assert len(stored(tolva)) == 300


def test_many_rejects_come_in_parts_and_are_sent_again_together(tolva: Tolva, tmp_path: Path) -> None:
    generate(tmp_path, rows=1000, dirty=0.2, seed=SEED)
    path = tmp_path / "clients.yaml"
    path.write_text(path.read_text() + "output: {max_part_bytes: 3000}\n")
    rows = expected(tmp_path / "clients.dat")
    assert tolva("ingest", "--document", path, "--chunk", "16KB").returncode == 3
    folder = tmp_path / "results"
    parts = sorted(folder.glob("rejects_*.dat"))
    assert len(parts) > 5
    assert all(part.stat().st_size <= 3000 for part in parts)
    assert [line for part in parts for line in part.read_text().splitlines()] == rows.rejects
    report = [json.loads(line) for part in sorted(folder.glob("report_*")) for line in part.read_text().splitlines()]
    assert [(r["line"], r["offset"], r["column"], r["code"], r["raw"]) for r in report] == rows.reasons
    again = tolva("ingest", "--retry-rejects", "results", "--output", "again")
    assert again.returncode == 3, again.stderr
    assert f"{len(rows.rejects)} read, 0 stored" in again.stdout


@pytest.mark.parametrize("atomic", [True, False])
def test_a_limit_fails_the_job_and_still_leaves_the_report(tolva: Tolva, tmp_path: Path, *, atomic: bool) -> None:
    generate(tmp_path, rows=2000, dirty=0.2, seed=SEED)
    path = tmp_path / "clients.yaml"
    path.write_text(path.read_text() + f"max_reject_ratio: 0.1\natomic: {str(atomic).lower()}\n")
    done = tolva("run", path, "--chunk", "16KB")
    rows = expected(tmp_path / "clients.dat")
    assert done.returncode == 1
    assert f"{len(rows.rejects):,} of 2,000 records had to be rejected, and max_reject_ratio is 0.1" in done.stderr
    assert_reported(tmp_path / "results", rows)
    listed = tolva("tables", "list").stdout
    if atomic:
        assert listed == ""
    else:
        assert sorted(stored(tolva)) == as_texts(rows)


def test_a_capped_report_gives_true_totals(tolva: Tolva, tmp_path: Path) -> None:
    generate(tmp_path, rows=1000, dirty=0.2, seed=SEED)
    path = tmp_path / "clients.yaml"
    path.write_text(path.read_text() + "report: {formats: [ndjson], max_reasons: 7}\n")
    done = tolva("run", path, "--chunk", "4KB")
    assert done.returncode == 3, done.stderr
    summary = json.loads((tmp_path / "results/summary_0001.json").read_text())
    rows = expected(tmp_path / "clients.dat")
    assert (summary["capped"], summary["reported"], summary["reasons"]) == (True, 7, len(rows.reasons))
    assert len((tmp_path / "results/report_0001.ndjson").read_text().splitlines()) == 7
    assert not list((tmp_path / "results").glob("*.csv"))
    assert (tmp_path / "results/rejects_0001.dat").read_text().splitlines() == rows.rejects


UPSERT = """\
kind: ingest
files: people.csv
into: people
columns: {id: BIGINT, name: {required: true}, born: DATE, email: {unique: true}}
mode: upsert
key: id
"""


def test_an_upsert_replaces_by_key_and_rejects_later_twins(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(UPSERT)
    days = [
        "id,name,born,email\n1,ana,2000-01-01,a@x\n2,bob,2001-02-30,b@x\n3,carl,,c@x\n3,carla,,d@x\n5,eve,,a@x\n6,fay,,\n",
        "id,name,born,email\n1,ana2,2000-01-01,a@x\n7,gus,,a@x\n3,carl3,,c@y\n6,fay2,,c@y\n",
        "id,name,born,email\n6,fay3,,f@x\n1,ana3,1999-12-31,\n",
    ]
    answers = [
        "1,ana,2000-01-01,a@x\n3,carl,,c@x\n6,fay,,\n",
        "1,ana2,2000-01-01,a@x\n3,carl3,,c@y\n6,fay,,\n",
        "1,ana3,1999-12-31,\n3,carl3,,c@y\n6,fay3,,f@x\n",
    ]
    for day, answer in zip(days, answers, strict=True):
        (tmp_path / "people.csv").write_text(day)
        done = tolva("run", "job.yaml", "--chunk", "16B")
        assert done.returncode in (0, 3), done.stderr
        asked = tolva("sql", "SELECT * FROM people ORDER BY id", "--stored", "people", "-o", "csv")
        assert asked.stdout == "id,name,born,email\n" + answer
    assert (tmp_path / "results/rejects_0001.csv").read_text() == "id,name,born,email\n"


def test_tables_are_listed_described_and_dropped(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,x,1.50\n-7,y,2.25\n")
    assert tolva("ingest", "t.csv", "--into", "kept").returncode == 0
    assert tolva("tables", "list").stdout.startswith("kept\t2\t")
    described = tolva("tables", "describe", "KEPT").stdout
    assert "kept: 2 records in 1 object, version 1" in described
    assert "a\tBIGINT\t-7 to 1" in described
    assert tolva("tables", "drop", "kept").returncode == 0
    assert tolva("tables", "list").stdout == ""
    gone = tolva("tables", "describe", "kept")
    assert gone.returncode == 2
    assert "no stored table kept" in gone.stderr
    assert not [path for path in (tmp_path / "state/storage").rglob("*") if path.is_file()]


@pytest.mark.skipif(SAMPLE is None, reason="TOLVA_SAMPLE_DATA is not set: no published counts to compare with")
@pytest.mark.parametrize(("changed", "counts"), [(False, (80, 20)), (True, (88, 12))])
def test_the_sample_of_the_client_file(tolva: Tolva, tmp_path: Path, *, changed: bool, counts: tuple[int, int]) -> None:
    generate(tmp_path, rows=1, dirty=0, seed=0)
    text = (tmp_path / "clients.yaml").read_text()
    if changed:
        text = text.replace("type: BOOLEAN, required: true", "type: BOOLEAN, default: false")
    (tmp_path / "job.yaml").write_text(text)
    done = tolva("run", "job.yaml", "--data", Path(str(SAMPLE)) / "clientes")
    assert done.returncode == 3, done.stderr
    summary = json.loads((tmp_path / "results/summary_0001.json").read_text())
    assert (summary["stored"], summary["rejected"]) == counts
