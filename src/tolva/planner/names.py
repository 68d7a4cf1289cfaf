"""Names that are new: symbols of columns, relations, stages."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LENGTH_MAX = 40


class Names:
    """Hands out names that were never handed out, upper and lower case being the same."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}

    def new(self, wish: str) -> str:
        """Return ``wish`` as a plain identifier, numbered if that is taken."""
        base = re.sub(r"[^a-z0-9]+", "_", wish.lower()).strip("_")[:_LENGTH_MAX].rstrip("_") or "c"
        if base[0].isdigit():
            base = f"c{base}"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name
