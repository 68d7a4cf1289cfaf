"""A chunk's bytes with all that must be known to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tolva.formats.delimited.cutter import Cutter
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.origin import Origin
from tolva.model import Chunk


@dataclass(frozen=True, slots=True)
class Text:
    """Whole records.

    Attributes:
        data: their bytes.
        dialect: how they are written.
        header: the names of all fields of a record, in order.
        traits: what the cutter saw in them.
        origin: where they are, for errors.
    """

    data: memoryview
    dialect: Dialect
    header: Sequence[str]
    traits: Mapping[str, bool]
    origin: Origin

    def pieces(self, piece_bytes: int) -> Iterator[Text]:
        """Give the records again in pieces of about that size, so that one odd record doesn't spoil all."""
        cutter = Cutter(self.dialect, piece_bytes)
        for at in range(0, len(self.data), piece_bytes):
            yield from map(self._piece, cutter.feed(bytes(self.data[at : at + piece_bytes])))
        yield from map(self._piece, cutter.end())

    def start(self, piece_bytes: int) -> Text:
        """Return the first records, of about that size together."""
        return self if len(self.data) <= piece_bytes else next(self.pieces(piece_bytes), self)

    def _piece(self, chunk: Chunk) -> Text:
        data = self.data[chunk.offset : chunk.offset + chunk.length]
        return Text(data, self.dialect, self.header, chunk.traits, self._origin(chunk.offset))

    def _origin(self, offset: int) -> Origin:
        def lines_before() -> int:
            return self.origin.lines_before() + bytes(self.data[:offset]).count(b"\n")

        return Origin(self.origin.name, self.origin.offset + offset, lines_before)
