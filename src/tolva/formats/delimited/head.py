"""The start of a delimited file: enough of it to learn its shape."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tolva.errors import InputError
from tolva.formats.files import fingerprint, similar_file

_BOM = b"\xef\xbb\xbf"
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"\x1f\x8b": "gzip-compressed; unpack it",
    b"\x28\xb5\x2f\xfd": "zstd-compressed; unpack it",
    b"PK\x03\x04": "a zip archive or a spreadsheet; save its sheet as CSV",
    b"PAR1": "a Parquet file, which can't be read as delimited text",
}


@dataclass(frozen=True, slots=True)
class Head:
    """A file's facts and first bytes (after a byte order mark of ``skipped`` bytes); ``complete``: that is all."""

    name: str
    size_bytes: int
    fingerprint: str
    skipped: int
    sample: bytes
    complete: bool


def read_head(path: Path, name: str, sample_bytes: int) -> Head:
    """Read the first ``sample_bytes`` of a file.

    InputError when the file is missing, a folder, not readable or not text; its message has ``name``.
    """
    try:
        with path.open("rb", buffering=0) as file:
            stat = os.fstat(file.fileno())
            sample = os.pread(file.fileno(), sample_bytes, 0)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file.{similar_file(path)}", file=name) from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder; name the files in it, as in {name}/*.csv", file=name) from None
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror}", file=name) from None
    _refuse_foreign(sample, name)
    skipped = len(_BOM) if sample.startswith(_BOM) else 0
    return Head(name, stat.st_size, fingerprint(stat), skipped, sample[skipped:], len(sample) >= stat.st_size)


def _refuse_foreign(sample: bytes, name: str) -> None:
    for magic, kind in _FOREIGN.items():
        if sample.startswith(magic):
            raise InputError(f"{name} is {kind}", file=name)
    if b"\0" in sample:
        raise InputError(f"{name} isn't text: it has a NUL at byte {sample.index(0)}", file=name)
    if b"\r" in sample and b"\n" not in sample and b"\r" in sample.rstrip(b"\r"):
        raise InputError(
            f"{name} ends its lines with CR alone, as very old programs do; convert it to LF or CRLF", file=name
        )
