"""Sorts the records of one file in all cores: good ones into Parquet files, bad ones listed with their places.

What of an ingest job is the formats' part, without checks, reports, catalog or commits.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tolva import formats
from tolva.jobs.prepare import Spec
from tolva.model import Chunk, File

TYPES = {
    "nombre": "VARCHAR",
    "apellido": "VARCHAR",
    "dni": "BIGINT",
    "estado": "VARCHAR",
    "ingreso": "DATE",
    "pep": "BOOLEAN",
    "obligado": "BOOLEAN",
}
_CHUNK_BYTES = 32 * 2**20


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    spec = Spec([source.name], TYPES, delimiter="|", quote="", header=False)
    (new,) = formats.resolve("clients", spec, source.parent, number_lines=True).files
    file = File(1, "", "", new.name, new.location, new.bytes, new.fingerprint, new.layout, new.first_byte, ended=False)
    with ProcessPoolExecutor(2) as pool:
        counts = list(pool.map(partial(_sort, file, target), formats.chunks_of(file, _CHUNK_BYTES)))
    print(*map(sum, zip(*counts, strict=True)))


def _sort(file: File, target: Path, chunk: Chunk) -> tuple[int, int, int]:
    pa.set_cpu_count(1)
    done = formats.sort_out(file, chunk, TYPES, list(TYPES))
    pq.write_table(done.rows, target / f"{chunk.offset}.parquet")
    return done.records, done.rows.num_rows, done.rejects.num_rows


if __name__ == "__main__":
    main()
