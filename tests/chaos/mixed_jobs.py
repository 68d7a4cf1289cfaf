"""Jobs of every kind over rows that are all known, and what must come of them."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FACT_ROWS = 30_000
FACT_FILES = 3
SHOPS = 97
DAY_ROWS = 2_000
DAY_FILES = 4
KEYS = 300
CLAIMS_PER_KEY = 2
MAX_PART_BYTES = 20_000

Row = tuple[int, int, str]

_FACTS = {"files": "facts_*.csv", "columns": {"id": "BIGINT", "shop": "INTEGER", "amount": "BIGINT"}}
_SHOPS = {"files": "shops.csv", "columns": {"shop": "INTEGER", "name": "VARCHAR"}}

QUERIES = {
    "rows": "SELECT id, amount FROM facts WHERE amount >= 0",
    "groups": "SELECT shop, count(*) n, sum(amount) total FROM facts GROUP BY shop",
    "joined": "SELECT f.id, s.name FROM facts f JOIN shops s ON s.shop = f.shop",
}


def facts() -> list[tuple[int, int, int]]:
    return [(n, n % SHOPS, (n * 7919) % 1000) for n in range(FACT_ROWS)]


def write_facts(folder: Path) -> None:
    """Write what the queries read."""
    folder.mkdir()
    rows = facts()
    for part in range(FACT_FILES):
        write_csv(folder / f"facts_{part}.csv", ("id", "shop", "amount"), rows[part::FACT_FILES])
    write_csv(folder / "shops.csv", ("shop", "name"), [(n, f"shop {n}") for n in range(SHOPS)])


def write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def query(name: str) -> dict[str, Any]:
    tables = {"facts": _FACTS} | ({"shops": _SHOPS} if name == "joined" else {})
    return {"kind": "query", "tables": tables, "queries": {"q": QUERIES[name]}}


def answer(name: str) -> Counter[str]:
    """Return the records of the query's answer, worked out here."""
    if name == "rows":
        return Counter(f"{n},{amount}" for n, _, amount in facts())
    if name == "joined":
        return Counter(f"{n},shop {shop}" for n, shop, _ in facts())
    counts: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    for _, shop, amount in facts():
        counts[shop] += 1
        sums[shop] += amount
    return Counter(f"{shop},{counts[shop]},{sums[shop]}" for shop in counts)


def export() -> dict[str, Any]:
    return {
        "kind": "export",
        "name": "Z9000",
        "keys": [f"B{number:04}" for number in range(KEYS)],
        "source": {"kind": "claims", "claims_per_key": CLAIMS_PER_KEY, "latency_ms": 2, "flaky_ratio": 0.02},
        "batch_size": 5,
        "fetchers": 4,
        "output": {"max_part_bytes": MAX_PART_BYTES},
    }


def claims() -> Counter[str]:
    """Return the ids of the claims that the export must find."""
    return Counter(f"B{number:04}-{claim:04}" for number in range(KEYS) for claim in range(1, CLAIMS_PER_KEY + 1))


def records(folder: Path) -> Counter[str]:
    """Return the records of a query's result files, each without its header."""
    return Counter(line for path in folder.glob("q_*.csv") for line in path.read_text().splitlines()[1:])


def exported(folder: Path) -> Counter[str]:
    """Return the ids of the claims in the parts, none of which is over its cap."""
    parts = list(folder.glob("Z9000_*.ndjson"))
    assert all(part.stat().st_size <= MAX_PART_BYTES for part in parts)
    return Counter(json.loads(line)["claim_id"] for part in parts for line in part.read_text().splitlines())


@dataclass
class Daily:
    """A stored table that is loaded day after day; days overlap by half of their ids, and some records are bad."""

    folder: Path
    table: str
    mode: str
    chance: random.Random
    rows: list[Row] = field(default_factory=list)
    days: int = 0

    def document(self) -> dict[str, Any]:
        return {
            "kind": "ingest",
            "files": "day_*.csv",
            "into": self.table,
            "columns": {
                "id": {"type": "BIGINT", "required": True},
                "day": "INTEGER",
                "text": {"type": "VARCHAR", "pattern": "[a-z]+"},
            },
            "mode": self.mode,
        } | ({"key": ["id"]} if self.mode == "upsert" else {})

    def next_day(self) -> tuple[list[Path], int]:
        """Write the next day's files; return them, and how many of their records are bad."""
        self.folder.mkdir(parents=True, exist_ok=True)
        first = self.days * DAY_ROWS // 2
        rows = [(first + n, self.days, self.chance.choice(["good", "fine", "B4D"])) for n in range(DAY_ROWS)]
        files = [self.folder / f"day_{part}.csv" for part in range(DAY_FILES)]
        for part, path in enumerate(files):
            write_csv(path, ("id", "day", "text"), rows[part::DAY_FILES])
        good = [row for row in rows if row[2] != "B4D"]
        new = {row[0] for row in good} if self.mode == "upsert" else set()
        self.rows = [*(row for row in self.rows if row[0] not in new), *good]
        self.days += 1
        return files, len(rows) - len(good)

    def content(self) -> dict[str, Any]:
        """Return the document of a query for all that the table holds."""
        return {
            "kind": "query",
            "tables": {"kept": {"stored": self.table}},
            "queries": {"q": "SELECT id, day, text FROM kept"},
        }

    def expected(self) -> Counter[str]:
        return Counter(f"{number},{day},{text}" for number, day, text in self.rows)
