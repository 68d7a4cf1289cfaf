"""A chunk's bytes with all that must be known to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tolva.formats.delimited.cutter import Cutter
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.origin import Origin


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
        starts = range(0, len(self.data), piece_bytes)
        chunks = (chunk for at in starts for chunk in cutter.feed(bytes(self.data[at : at + piece_bytes])))
        for chunk in (*chunks, *cutter.end()):
            end = chunk.offset + chunk.length
            yield Text(
                self.data[chunk.offset : end], self.dialect, self.header, chunk.traits, self._origin(chunk.offset)
            )

    def _origin(self, offset: int) -> Origin:
        def lines_before() -> int:
            return self.origin.lines_before() + bytes(self.data[:offset]).count(b"\n")

        return Origin(self.origin.name, self.origin.offset + offset, lines_before)
