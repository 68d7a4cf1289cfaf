"""Good records are stored as they are, and compressed where that saves something."""

from __future__ import annotations

import datetime as dt
from random import Random
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from tolva.ingest.objects import as_parquet, bounds_of

ROWS = 20_000


def codecs(stored: pa.Buffer) -> dict[str, str]:
    group = pq.ParquetFile(pa.BufferReader(stored)).metadata.row_group(0)
    columns = (group.column(i) for i in range(group.num_columns))
    return {column.path_in_schema: column.compression for column in columns}


def test_random_text_is_not_compressed_and_everything_reads_back() -> None:
    random = Random(1)
    records = pa.table(
        {
            "id": [str(UUID(int=random.getrandbits(128))) for _ in range(ROWS)],
            "name": [f"a name that is like the others, {i}" for i in range(ROWS)],
            "state": pa.array(["open", "shut"] * (ROWS // 2)).dictionary_encode(),
            "n": pa.array(range(ROWS), pa.int64()),
            "nothing": pa.nulls(ROWS, pa.string()),
        }
    )
    kinds = {"id": "VARCHAR", "name": "VARCHAR", "state": "VARCHAR", "n": "BIGINT", "nothing": "VARCHAR"}
    stored = as_parquet(records, kinds.items())
    found = codecs(stored)
    assert found["id"] == "UNCOMPRESSED"
    assert {found[name] for name in ("name", "state", "n")} == {"SNAPPY"}
    assert pq.read_table(pa.BufferReader(stored)).to_pylist() == records.to_pylist()


def test_bounds_are_those_of_numbers_and_times() -> None:
    day = dt.date(2024, 2, 29)
    records = pa.table({"n": [3, None, -1], "d": [day, day, None], "t": ["a", "b", "c"], "x": pa.nulls(3, pa.int64())})
    assert bounds_of(records) == {"n": ["-1", "3"], "d": ["2024-02-29", "2024-02-29"]}
