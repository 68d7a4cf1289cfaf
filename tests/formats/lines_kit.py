"""Files of lines: sorted out chunk by chunk, and checked against what a plain look at the file says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from parquet_kit import files_of

from tolva import formats
from tolva.formats.reject import Reject, Sorted, listed
from tolva.jobs.prepare import Spec
from tolva.model import File


@dataclass(frozen=True)
class Sorting:
    """All of a file: its good rows, its rejects, and how many records there were."""

    rows: list[dict[str, object]]
    rejects: list[Reject]
    records: int

    @property
    def rejected(self) -> int:
        return len({reject.offset for reject in self.rejects})


def file_of(data: bytes, spec: Spec, folder: Path) -> tuple[File, dict[str, str]]:
    (folder / "f").write_bytes(data)
    table = formats.resolve("t", spec, folder)
    return files_of(table)[0], {column.name: column.type for column in table.columns}


def chunks(file: File, types: Mapping[str, str], wanted: Sequence[str], chunk_bytes: int) -> Iterator[Sorted]:
    for chunk in formats.chunks_of(file, chunk_bytes):
        yield formats.sort_out(file, chunk, types, wanted)


def sort_out(data: bytes, spec: Spec, chunk_bytes: int = 2**20, wanted: Sequence[str] | None = None) -> Sorting:
    """Sort a file's records, and check the places of all of them."""
    with TemporaryDirectory() as folder:
        file, types = file_of(data, spec, Path(folder))
        rows: list[dict[str, object]] = []
        rejects: list[Reject] = []
        records = 0
        for part in chunks(file, types, list(types) if wanted is None else wanted, chunk_bytes):
            assert part.records == part.rows.num_rows + len(set(part.rejects["offset"].to_pylist()))
            records += part.records
            rejects += listed(file.name, part.rejects)
            rows += part.rows.to_pylist() if part.rows.num_columns else [{}] * part.rows.num_rows
            check_places(data, part.places(range(part.rows.num_rows)))
            check_places(data, part.rejects)
    return Sorting(rows, rejects, records)


def check_places(data: bytes, places: pa.Table) -> None:
    for place in places.select(["line", "offset", "raw"]).to_pylist():
        at, raw = place["offset"], place["raw"]
        assert data[at : at + len(raw)] == raw
        assert data[at + len(raw) :].split(b"\n")[0] in (b"", b"\r")
        assert at == 0 or data[at - 1 : at] == b"\n" or data[:at] == b"\xef\xbb\xbf"
        assert place["line"] == data.count(b"\n", 0, at) + 1
