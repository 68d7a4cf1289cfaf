"""The start of a file of text: enough of it to learn its shape."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from tolva.errors import InputError
from tolva.formats.decoding import Decoder, Decoding, detect
from tolva.formats.files import fingerprint, similar_file
from tolva.formats.table import TableSpec

_BOM = b"\xef\xbb\xbf"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; save its sheet as CSV",
    b"PAR1": "a Parquet file, which can't be read as text",
    b"BZh": "compressed with bzip2; unpack it, or compress it with gzip or zstd",
    b"\xfd7zXZ\0": "compressed with xz; unpack it, or compress it with gzip or zstd",
}
_DETECTED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """A file's facts and first bytes.

    Attributes:
        name: what people call the file.
        size_bytes: its size as it lies there.
        fingerprint: see ``NewFile``.
        decoding: how its bytes become text.
        skipped: the bytes of the text before the sample: a byte order mark, and lines that are to be skipped.
        sample: the first bytes of the text after those.
        complete: the sample is all of it.
    """

    name: str
    size_bytes: int
    fingerprint: str
    decoding: Decoding
    skipped: int
    sample: bytes
    complete: bool

    @property
    def layout(self) -> dict[str, Any]:
        """What of it belongs into every file's layout: how to decode the file, unless its bytes are its text."""
        return {} if self.decoding.plain else {"decoding": self.decoding.to_json()}


def read_head(path: Path, name: str, sample_bytes: int, spec: TableSpec) -> Head:
    """Read the first ``sample_bytes`` or more of a file's text.

    InputError when the file is missing, a folder, not readable or not text; its message has ``name``.
    """
    try:
        with FileIO(path) as file:
            stat = os.fstat(file.fileno())
            start = os.pread(file.fileno(), _DETECTED_BYTES, 0)
            refuse_foreign(start, name)
            decoding = detect(start, spec.compression, spec.encoding, name)
            text, complete = _text(file, decoding, name, sample_bytes)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file.{similar_file(path)}", file=name) from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder; name the files in it, as in {name}/*.csv", file=name) from None
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror}", file=name) from None
    skipped = checked_start(text, name, spec)
    return Head(name, stat.st_size, fingerprint(stat), decoding, skipped, text[skipped:], complete)


def refuse_foreign(start: bytes, name: str) -> None:
    """Raise InputError for a file whose first bytes show that it is no text, compressed or not."""
    for magic, kind in _FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{name} is {kind}", file=name)


def checked_start(text: bytes, name: str, spec: TableSpec) -> int:
    """Return the bytes of a text before its first record or header: a byte order mark, and lines to be skipped.

    InputError for what isn't text; a NUL is allowed where the encoding is declared.
    """
    if b"\0" in text and spec.encoding is None:
        raise InputError(
            f"{name} isn't text: it has a NUL at byte {text.index(0)}; if it should be, declare its encoding",
            file=name,
        )
    if b"\r" in text and b"\n" not in text and b"\r" in text.rstrip(b"\r"):
        raise InputError(
            f"{name} ends its lines with CR alone, as very old programs do; convert it to LF or CRLF", file=name
        )
    at = len(_BOM) if text.startswith(_BOM) else 0
    for _ in range(spec.skip):
        at = text.find(b"\n", at) + 1 or len(text)
    return at


def _text(file: FileIO, decoding: Decoding, name: str, sample_bytes: int) -> tuple[bytes, bool]:
    """Return the first ``sample_bytes`` or more of a file's text, and whether that is all."""
    decoder, text = Decoder(decoding, name), bytearray()
    while len(text) < sample_bytes:
        block = file.read(sample_bytes)
        if not block:
            text += decoder.end()
            return bytes(text), True
        for piece in decoder.feed(block):
            text += piece
            if len(text) >= sample_bytes:
                break
    return bytes(text), decoding.plain and not file.read(1)
