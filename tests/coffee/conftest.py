"""Demo data of a few sizes, each made and loaded into DuckDB once, as tables of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pytest

from tolva.coffee.generate import Summary, generate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Data(NamedTuple):
    root: Path
    summary: Summary
    connection: duckdb.DuckDBPyConnection

    def one(self, sql: str) -> tuple[object, ...]:
        row = self.connection.execute(sql).fetchone()
        assert row is not None
        return row


@pytest.fixture(scope="session", params=[1_000, 50_000])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    root = tmp_path_factory.mktemp("coffee")
    summary = generate(root, transactions=request.param)
    with duckdb.connect() as connection:
        for folder in root.iterdir():
            if folder.is_dir():
                connection.execute(
                    f"CREATE TABLE {folder.name} AS "
                    f"FROM read_csv('{folder}/*.csv', header = true, all_varchar = true, delim = ',')"
                )
        yield Data(root, summary, connection)
