"""Files to send, a job over them, and DuckDB's answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

DOCUMENT: dict[str, Any] = {
    "kind": "query",
    "tables": {"sales": {"columns": {"id": "BIGINT", "shop": "INTEGER", "amount": "DECIMAL(12,2)", "note": "VARCHAR"}}},
    "queries": {
        "by_shop": "SELECT shop, count(*) AS sold, sum(amount) AS taken FROM sales GROUP BY shop ORDER BY shop",
        "noted": {"sql": "SELECT id, note FROM sales WHERE shop = 3 AND id % 2 = 0 ORDER BY id", "format": "ndjson"},
        "all_of_one": {"sql": "SELECT * FROM sales WHERE shop <= 2 ORDER BY id", "format": "csv"},
    },
    "output": {"max_part_bytes": 400_000},
}


@dataclass(frozen=True)
class Sales:
    files: dict[str, list[Path]]
    answers: dict[str, bytes]

    @property
    def bytes_up(self) -> int:
        """The fewest bytes that a client sends."""
        return sum(path.stat().st_size for paths in self.files.values() for path in paths)

    @property
    def bytes_down(self) -> int:
        """The fewest bytes that a client gets."""
        return sum(map(len, self.answers.values()))


def write_sales(folder: Path) -> Sales:
    """Write three files of sales, and ask DuckDB."""
    paths = []
    for number in range(3):
        path = folder / f"sales_{number}.csv"
        with path.open("w") as file:
            file.write("id,shop,amount,note\n")
            for row in range(number * 20_000, (number + 1) * 20_000):
                note = '"a ""quoted"" note,\nof two lines"' if row % 50 == 0 else f"note {row}"
                file.write(f"{row},{row % 7},{row % 1000}.{row % 100:02},{note}\n")
        paths.append(path)
    with duckdb.connect() as connection:
        types = DOCUMENT["tables"]["sales"]["columns"]
        source = f"read_csv('{folder}/*.csv', header = true, columns = {types}, quote = '\"')"
        connection.execute(f"CREATE TABLE sales AS FROM {source}")
        answers = {}
        for name, query in DOCUMENT["queries"].items():
            sql, form = (query, "csv") if isinstance(query, str) else (query["sql"], query["format"])
            options = "FORMAT csv, HEADER false" if form == "csv" else "FORMAT json"
            connection.execute(f"COPY ({sql}) TO '{folder}/{name}' ({options})")
            answers[name] = (folder / name).read_bytes()
    return Sales({"sales": paths}, answers)


def check_answers(folder: Path, sales: Sales) -> None:
    """See that the parts in ``folder``, one after the other, are the answers."""
    for name, expected in sales.answers.items():
        parts = sorted(folder.glob(f"{name}_*"))
        assert parts
        found = b""
        for part in parts:
            body = part.read_bytes()
            assert len(body) <= DOCUMENT["output"]["max_part_bytes"]
            found += body.partition(b"\n")[2] if part.suffix == ".csv" else body
        assert found == expected
