"""What files are called: finished files say their kind, parts their number, hidden files that they aren't complete."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BUILDING = ".building"


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """Files of one kind go into the same parts: data or errors, plain or gzip."""

    errors: bool
    gzip: bool

    @property
    def suffix(self) -> str:
        """The end of a file's name that tells its kind."""
        return f"{'_error' if self.errors else ''}.ndjson{'.gz' if self.gzip else ''}"


def kind_of(name: str) -> Kind:
    """Tell a finished file's kind: errors end with ``_error`` before the extension, gzip with ``.gz``."""
    plain = name.removesuffix(".gz")
    stem = plain.rpartition(".")[0] or plain
    return Kind(errors=stem.endswith("_error"), gzip=plain != name)


def series_of(prefix: str, kind: Kind) -> str:
    """Name the series a part is numbered in. Plain and gzip share one, so that unpacking a part can't hit another."""
    return f"{prefix}_error" if kind.errors else prefix


def part_name(prefix: str, number: int, kind: Kind) -> str:
    """Name a part: ``Z9000_0001.ndjson``, ``Z9000_0001_error.ndjson``, ``Z9000_0001.ndjson.gz``."""
    return f"{prefix}_{number:04d}{kind.suffix}"


def part_numbers(prefix: str, names: Iterable[str]) -> dict[str, tuple[Kind, int]]:
    """Return the kind and number of those of ``names`` that are parts of ``prefix``."""
    pattern = re.compile(rf"{re.escape(prefix)}_(\d{{4,}})(_error)?\.ndjson(\.gz)?")
    matches = {name: match for name in names if (match := pattern.fullmatch(name))}
    return {name: (Kind(errors=bool(m[2]), gzip=bool(m[3])), int(m[1])) for name, m in matches.items()}


def building(name: str) -> str:
    """Name the hidden file that becomes ``name`` when it is complete."""
    return f".{name}{_BUILDING}"


def is_building(name: str) -> bool:
    """Tell whether ``name`` is such a hidden file."""
    return name.startswith(".") and name.endswith(_BUILDING)
