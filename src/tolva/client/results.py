"""Results: files fetched whole and verified, and answers read back with the types they had."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tolva.client.http import Http
from tolva.client.views import PartInfo
from tolva.errors import ChecksumError, NotFoundError, OutputError, UnreachableError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_BLOCK_BYTES = 2**20
_TRIES = 10
_PARTIAL = 206


class Results:
    """The results of a job as its manifest lists them."""

    def __init__(self, http: Http, path: str) -> None:
        self._http = http
        self._path = path
        manifest = http.call("GET", path).json()
        self.parts = [PartInfo.from_json(part) for part in manifest["output"]]
        self.rejects: int = manifest["rejects"]
        self._columns: dict[str, list[dict[str, str]]] = manifest["columns"]

    def download(self, folder: Path, on_bytes: Callable[[int], None]) -> list[Path]:
        """Fetch every part into ``folder``; one that is there whole is kept."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return [self._fetch(part, folder, on_bytes) for part in self.parts]
        except OSError as error:
            raise OutputError(f"Results can't be written to {folder}: {error.strerror}.", folder=str(folder)) from None

    def table(self, query: str) -> pa.Table:
        """Return a query's answer as one table."""
        import pyarrow as pa  # noqa: PLC0415 - who only downloads needs no Arrow

        batches = list(self.batches(query))
        return pa.Table.from_batches(batches, batches[0].schema)

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yield a query's answer, part by part; at least one batch, so that the schema is always told."""
        parts = [part for part in self.parts if part.query == query]
        if not parts:
            known = ", ".join(sorted({part.query for part in self.parts})) or "none yet"
            raise NotFoundError(f"There is no result of a query {query}; there are: {known}.")
        with tempfile.TemporaryDirectory(prefix="tolva-") as folder:
            for part in parts:
                path = self._fetch(part, Path(folder), lambda _: None)
                yield from self._read(part, path)
                path.unlink()

    def _read(self, part: PartInfo, path: Path) -> Iterator[pa.RecordBatch]:
        import duckdb  # noqa: PLC0415 - who only downloads needs no DuckDB

        with duckdb.connect(config={"arrow_lossless_conversion": True}) as connection:
            reader = self._relation(connection, part, path).to_arrow_reader()
            batch = None
            for batch in reader:
                yield batch
            if batch is None:
                yield from reader.schema.empty_table().to_batches() or [_empty(reader.schema)]

    def _relation(self, connection: duckdb.DuckDBPyConnection, part: PartInfo, path: Path) -> duckdb.DuckDBPyRelation:
        if part.format == "parquet":
            return connection.read_parquet(str(path))
        columns: Any = {column["name"]: column["type"] for column in self._columns.get(part.query, ())}
        if part.format == "csv":
            return connection.read_csv(
                str(path),
                header=True,
                auto_detect=False,
                columns=columns,
                delimiter=",",
                quotechar='"',
                escapechar='"',
                allow_quoted_nulls=False,
            )
        return connection.read_json(str(path), format="newline_delimited", columns=columns or None)

    def _fetch(self, part: PartInfo, folder: Path, on_bytes: Callable[[int], None]) -> Path:
        whole, partial = folder / part.name, folder / f".{part.name}.part"
        if whole.is_file() and _sha256(whole) == part.sha256:
            on_bytes(part.bytes)
            return whole
        partial.touch()
        tries = 0
        while partial.stat().st_size < part.bytes:
            before = partial.stat().st_size
            try:
                self._go_on(part, partial, on_bytes)
            except UnreachableError:
                tries = 0 if partial.stat().st_size > before else tries + 1
                if tries == _TRIES:
                    raise
        if _sha256(partial) != part.sha256:
            partial.unlink()
            raise ChecksumError(f"{part.name} arrived damaged (its sha256 differs). Fetch it again.", part=part.name)
        partial.replace(whole)
        return whole

    def _go_on(self, part: PartInfo, partial: Path, on_bytes: Callable[[int], None]) -> None:
        """Fetch what is missing of the part."""
        have = partial.stat().st_size
        headers = {"Range": f"bytes={have}-", "If-Range": f'"{part.sha256}"'} if have else {}
        with self._http.stream(f"{self._path}/{part.name}", headers) as response:
            goes_on = response.status_code == _PARTIAL
            with partial.open("ab" if goes_on else "wb") as file:
                for block in response.iter_bytes(_BLOCK_BYTES):
                    file.write(block)
                    on_bytes(file.tell())


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415 - see above

    return pa.RecordBatch.from_pylist([], schema)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
