"""Which pieces make the next part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class HasRoom(Protocol):
    """What parts are made of: it has a name, and takes up room."""

    @property
    def name(self) -> str:
        """Decides between pieces of one size."""
        ...

    @property
    def room_bytes(self) -> int:
        """What it takes up in a part."""
        ...


Piece = TypeVar("Piece", bound=HasRoom)


def best_fit(pieces: Iterable[Piece], max_bytes: int) -> list[Piece]:
    """Choose the pieces of the next part: the largest, then the next largest that still fits, and so on.

    A piece of at least the cap goes alone. Pieces of equal size go in the order of their names. There is a piece.
    """
    by_size = sorted(pieces, key=lambda piece: (-piece.room_bytes, piece.name))
    chosen, room_bytes = by_size[:1], max_bytes - by_size[0].room_bytes
    for piece in by_size[1:]:
        if piece.room_bytes <= room_bytes:
            chosen.append(piece)
            room_bytes -= piece.room_bytes
    return chosen
