"""Parquet files opened where they lie: on the local disk, or in storage by ranges."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tolva.errors import InputError
from tolva.formats.files import opened
from tolva.formats.stored import Held, Stored
from tolva.model import File


@contextmanager
def open_file(file: File, stored: Stored | Held | None) -> Iterator[parquet.ParquetFile]:
    """Open a file for reading; InputError when it has changed, can't be read or isn't sound."""
    with damage_named(file.name):
        if stored is None:
            with opened(file) as source:
                yield as_parquet(source)
        else:
            # Ranges that lie close are fetched together, before they are needed.
            yield as_parquet(StoredFile(stored, file.bytes), pre_buffer=True)


def as_parquet(source: Any, *, pre_buffer: bool = False) -> parquet.ParquetFile:
    """Return an open file as Parquet, its types as near to DuckDB's as Arrow has them."""
    return parquet.ParquetFile(
        source, pre_buffer=pre_buffer, arrow_extensions_enabled=True, coerce_int96_timestamp_unit="us"
    )


@contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turn what Arrow says of a file into an InputError that names it."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowSerializationError, pa.ArrowKeyError) as error:
        said = str(error).split("\n")[0].rstrip(".")
        raise InputError(f"{name} can't be read as Parquet: {said}. Is it whole? Write it again", file=name) from None


class StoredFile(io.RawIOBase):
    """A stored object as a file that Arrow can read at any place."""

    def __init__(self, stored: Stored | Held, size: int) -> None:
        self._stored, self._size, self._at = stored, size, 0

    def readable(self) -> bool:
        """Whether bytes can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether any place can be gone to: yes."""
        return True

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, or all that are left."""
        length = self._size - self._at if size is None or size < 0 else min(size, self._size - self._at)
        if length <= 0:
            return b""
        (data,) = self._stored.ranges([(self._at, length)])
        self._at += length
        return bytes(data)
