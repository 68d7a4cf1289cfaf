"""Where each field of a fixed-width record is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tolva.errors import DocumentError

_PLACE = re.compile(r"\s*(\d+)\s*(?:(-)\s*(\d*)\s*)?")


@dataclass(frozen=True, slots=True)
class Fields:
    """Of each field where it starts, from 0, and where it ends: before that place, or (None) with the record.

    Attributes:
        places: of each field, by its name.
        by_bytes: places count bytes; else characters.
    """

    places: Mapping[str, tuple[int, int | None]]
    by_bytes: bool = False

    @property
    def min_width(self) -> int:
        """How long a record is at least."""
        return max((start if end is None else end) for start, end in self.places.values())

    @property
    def max_width(self) -> int | None:
        """How long a record is at most; None when its last field has any length."""
        return None if any(end is None for _, end in self.places.values()) else self.min_width

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"places": {name: list(place) for name, place in self.places.items()}, "by_bytes": self.by_bytes}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Fields:
        """Rebuild what ``to_json`` made."""
        return Fields({name: (place[0], place[1]) for name, place in value["places"].items()}, value["by_bytes"])


def fields_of(positions: Mapping[str, str], *, by_bytes: bool) -> Fields:
    """Return the fields at ``positions``, as people write them: ``1-8``, ``9`` or ``10-``, from 1, both ends included.

    DocumentError for what can't be a place.
    """
    places: dict[str, tuple[int, int | None]] = {}
    for name, text in positions.items():
        found = _PLACE.fullmatch(text)
        start, end = (int(found[1]), int(found[3] or 0)) if found else (0, 0)
        if found and not found[2]:
            end = start
        if not found or start < 1 or (end and end < start):
            raise DocumentError(
                f"the field {name} can't be at {text!r}: write 1-8 for the first eight places, 9 for the ninth alone, "
                "10- for all from the tenth on",
                field=name,
            )
        places[name] = (start - 1, end or None)
    return Fields(places, by_bytes)
