"""Which format files have: as declared, else by the ending of their name, else by their first bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tolva.errors import DocumentError, InputError
from tolva.formats.table import TableSpec

DELIMITED = "delimited"
FIXED_WIDTH = "fixed_width"
PARQUET = "parquet"
NDJSON = "ndjson"

FORMATS = (DELIMITED, FIXED_WIDTH, NDJSON, PARQUET)
"""The formats there are, by the names of their packages."""

_ENDINGS = {
    ".csv": DELIMITED,
    ".tsv": DELIMITED,
    ".psv": DELIMITED,
    ".txt": DELIMITED,
    ".dat": DELIMITED,
    ".ndjson": NDJSON,
    ".jsonl": NDJSON,
    ".parquet": PARQUET,
}
_PACKED = (".gz", ".zst")
_MAGIC = {b"PAR1": PARQUET, b"{": NDJSON}


def format_of(spec: TableSpec, files: Sequence[tuple[str, Path | None]]) -> str:
    """Return the one format of a table's files (name, and path unless the file is still to come).

    InputError when they have several; DocumentError for a declared one that there isn't.
    """
    if spec.format is not None:
        return _known(spec.format)
    if spec.positions:
        return FIXED_WIDTH
    found = {_by_name(name) or _by_content(path): name for name, path in files}
    if len(found) > 1:
        listed = ", ".join(f"{name} is {kind}" for kind, name in found.items())
        raise InputError(f"files of one table must have one format, but {listed}; make them tables of their own")
    return _known(next(iter(found), DELIMITED))


def _known(name: str) -> str:
    if name not in FORMATS:
        raise DocumentError(f"there is no format {name!r}; there are {', '.join(FORMATS)}", format=name)
    return name


def _by_name(name: str) -> str | None:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return _ENDINGS.get(suffixes[-1]) if suffixes else None


def _by_content(path: Path | None) -> str:
    """Look at a file; one that can't be read is left to be told of by its format."""
    if path is None or not path.is_file():
        return DELIMITED
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip()
    except OSError:
        return DELIMITED
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), DELIMITED)
