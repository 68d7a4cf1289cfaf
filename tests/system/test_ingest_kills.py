"""``tolva ingest`` is killed at random moments and at named places: each load is there exactly once, or not at all.

``TOLVA_INGEST_KILLS`` says how often (default 3, and then half of the named places, chosen by the seed); seeds are
printed and ``TOLVA_SEED`` sets them.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import program
import pytest

KILLS = int(os.environ.get("TOLVA_INGEST_KILLS", "3"))
SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))

DOCUMENT = """\
kind: ingest
files: day.csv
into: kept
columns: {{id: {{type: BIGINT, required: true}}, day: INTEGER, text: {{pattern: "[a-z]+"}}}}
mode: {mode}
{key}
"""
ROWS = 2000
MODES = ["append", "replace", "upsert"]

Row = tuple[int, int, str]


def day(number: int, chance: random.Random) -> list[Row]:
    """A day's records: some with a text that isn't allowed; days overlap by half of their ids."""
    first = number * ROWS // 2
    texts = ["good", "fine", "B4D"]
    return [(first + n, number, chance.choice(texts)) for n in range(ROWS)]


def after(mode: str, before: list[Row], rows: list[Row]) -> list[Row]:
    """What the table must hold."""
    good = [row for row in rows if row[2] != "B4D"]
    match mode:
        case "append":
            return sorted([*before, *good])
        case "replace":
            return sorted(good)
        case _:
            new = {row[0] for row in good}
            return sorted([*(row for row in before if row[0] not in new), *good])


class Daily:
    """Loads one day after the other into a table, and knows what must be in it."""

    def __init__(self, folder: Path, mode: str, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self._mode = mode
        self._number = 0
        self.rows: list[Row] = []
        folder.mkdir()
        key = "key: id" if mode == "upsert" else ""
        (folder / "job.yaml").write_text(DOCUMENT.format(mode=mode, key=key))

    def next_day(self) -> None:
        self._number += 1
        rows = day(self._number, self._chance)
        with (self._folder / "day.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "day", "text"), *rows])
        self.rows = after(self._mode, self.rows, rows)

    def load(self, *, kill_after: float | None = None, **environment: str) -> bool:
        """Load the day, going on from where an earlier try was killed; return whether it came to its end."""
        if self._jobs("retrieved_at IS NOT NULL") == self._number:
            return True  # the last try was killed when all was done
        resume = ["--resume"] if self._jobs("plan IS NOT NULL AND retrieved_at IS NULL") else []
        process = program.start(
            *["run", "job.yaml", "--output", f"out-{self._number}", "--chunk", "8KB", "--workers", "2", *resume],
            state=self._folder / "state",
            cwd=self._folder,
            **environment,
        )
        if kill_after is None:
            _, err = program.ended(process)
        else:
            try:
                _, err = process.communicate(timeout=kill_after)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                program.ended(process)
                return False
        if process.returncode == -signal.SIGKILL:
            return False
        assert process.returncode == 3, err
        return True

    def assert_exactly_once(self) -> None:
        words = ["sql", "SELECT id, day, text FROM kept ORDER BY ALL", "--stored", "kept", "-o", "csv"]
        done = program.run(*words, state=self._folder / "state", cwd=self._folder)
        assert done.returncode == 0, done.stderr
        found = [(int(a), int(b), c) for a, b, c in list(csv.reader(done.stdout.splitlines()))[1:]]
        assert found == self.rows
        assert not list((self._folder / "state/storage/tables").rglob("*.unfinished"))

    def _jobs(self, condition: str) -> int:
        """Count the loads that the catalog knows of and for which the condition holds."""
        if not (self._folder / "state/catalog.db").exists():
            return 0
        with sqlite3.connect(self._folder / "state/catalog.db") as catalog:
            asked = f"SELECT count(*) FROM job WHERE kind = 'ingest' AND {condition}"
            return int(catalog.execute(asked).fetchone()[0])


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_random_moments(tmp_path: Path, mode: str) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_INGEST_KILLS={KILLS}")
    chance = random.Random(f"{SEED} {mode}")
    daily = Daily(tmp_path / mode, mode, chance)
    kills = 0
    while kills < KILLS / len(MODES):
        # How long a load takes now: the machine may be busy with other things, and later not.
        daily.next_day()
        began = time.monotonic()
        assert daily.load()
        seconds = time.monotonic() - began
        daily.next_day()
        for _ in range(chance.randint(1, 3) if len(MODES) < KILLS else 1):
            kills += not daily.load(kill_after=chance.uniform(0.2, 1.0) * seconds)
        assert daily.load()
        daily.assert_exactly_once()


POINTS = [
    ("catalog.begin_load.before", "deliver.before_rename"),
    ("catalog.begin_load.after", "deliver.before_manifest"),
    ("catalog.set_plan.after", "catalog.mark_retrieved.before"),
    ("catalog.commit.before:3", "catalog.retire_objects.after"),
    ("catalog.commit.after:3", "catalog.forget_objects.before"),
    ("worker.told",),
]
"""Places that the parent comes to, early ones and, for whoever goes on from there, late ones.

A child that is killed is what the random kills' children meet, too.
"""


def test_killed_at_named_places(tmp_path: Path) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_INGEST_KILLS={KILLS}")
    daily = Daily(tmp_path / "upsert", "upsert", random.Random(SEED))
    daily.next_day()
    assert daily.load()
    chance = random.Random(SEED)
    for points in POINTS if len(MODES) < KILLS else chance.sample(POINTS, 3):
        daily.next_day()
        for point in points:
            assert not daily.load(TOLVA_CRASH_POINT=point), point
        assert daily.load(), points
    daily.assert_exactly_once()


def test_children_that_die_while_they_store(tmp_path: Path) -> None:
    """A child that dies at its sixth object leaves its task to another; attempts are enough for that."""
    print(f"TOLVA_SEED={SEED} TOLVA_INGEST_KILLS={KILLS}")
    chance = random.Random(SEED)
    daily = Daily(tmp_path / "append", "append", chance)
    points = [f"storage.put.{when}:6" for when in ("before", "unfinished", "after")]
    for point in points if len(MODES) < KILLS else [chance.choice(points)]:
        daily.next_day()
        assert daily.load(TOLVA_CRASH_POINT=point), point
    daily.assert_exactly_once()
