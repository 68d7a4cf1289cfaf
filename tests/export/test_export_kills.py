"""``tolva run`` of an export is killed at random moments and taken up again: every key's records are there once.

``TOLVA_EXPORT_KILLS`` says how often (default 2); the seed is printed and ``TOLVA_SEED`` sets it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path

import command
from export_kit import lines

KILLS = int(os.environ.get("TOLVA_EXPORT_KILLS", "2"))
SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
KEYS = [f"B{number:05}" for number in range(600)]
CHOSEN = {
    "sql": "SELECT key FROM t",
    "tables": {"t": {"files": "keys.txt", "header": False, "columns": {"key": "VARCHAR"}}},
}
JOB = {
    "kind": "export",
    "name": "Z9000",
    "keys": {"file": "keys.txt"},
    "source": {"kind": "claims", "claims_per_key": 2, "latency_ms": 3, "missing_ratio": 0.05, "flaky_ratio": 0.01},
    "batch_size": 5,
    "fetchers": 4,
    "output": {"max_part_bytes": 20_000},
}


def test_killed_at_random_moments(tmp_path: Path) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_EXPORT_KILLS={KILLS}")
    chance = random.Random(SEED)
    (tmp_path / "keys.txt").write_text("\n".join(KEYS))
    seconds, expected = undisturbed(tmp_path)
    kills = run = 0
    while kills < KILLS:
        run += 1
        # Keys that a query chooses are read, left and fetched by other tasks than those of a file.
        (tmp_path / "job.json").write_text(json.dumps(JOB | {"keys": CHOSEN} if run % 2 else JOB))
        home = tmp_path / str(run)
        home.mkdir()
        resume: tuple[str, ...] = ()
        while True:
            process = command.start(*words(tmp_path), *resume, cwd=home)
            kill_after = chance.uniform(0.2, 1.1) * seconds if kills < KILLS else None
            try:
                _, err = process.communicate(timeout=kill_after)
                assert process.returncode == 3, err
                break
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
                # Killed before the job was recorded, there is nothing to take up.
                resume = ("--resume",) if recorded(home) else ()
        assert records(home) == expected


def words(folder: Path) -> tuple[str | Path, ...]:
    return "run", folder / "job.json", "--data", folder, "--output", "out", "--workers", "2"


def undisturbed(folder: Path) -> tuple[float, tuple[Counter[str], Counter[str]]]:
    (folder / "job.json").write_text(json.dumps(JOB))
    home = folder / "undisturbed"
    home.mkdir()
    began = time.monotonic()
    code, _, err = command.run(*words(folder), cwd=home)
    assert code == 3, err
    took = time.monotonic() - began
    claims, failed = records(home)
    assert max(claims.values()) == max(failed.values()) == 1
    found = {claim.rpartition("-")[0] for claim in claims}
    assert sorted([*found, *failed]) == KEYS
    assert len(claims) == 2 * len(found)
    return took, (claims, failed)


def records(home: Path) -> tuple[Counter[str], Counter[str]]:
    parts = list((home / "out").glob("*.ndjson"))
    assert all(part.stat().st_size <= 20_000 for part in parts)
    errors = [part for part in parts if part.stem.endswith("_error")]
    claims = lines(part for part in parts if part not in errors)
    return Counter(claim["claim_id"] for claim in claims), Counter(error["key"] for error in lines(errors))


def recorded(home: Path) -> bool:
    if not (home / "state" / "catalog.db").exists():
        return False
    with sqlite3.connect(home / "state" / "catalog.db") as catalog:
        found = catalog.execute("SELECT count(*) FROM sqlite_master WHERE name = 'job'").fetchone()[0]
        return bool(found) and catalog.execute("SELECT count(*) FROM job WHERE plan IS NOT NULL").fetchone()[0] > 0
