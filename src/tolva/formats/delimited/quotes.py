"""Where records end in text with quotes, whatever the blocks it comes in.

A quote opens a field when it is the field's first character, or its second after one space (as DuckDB reads
``a, "b"``); anywhere else outside a quoted field it is an ordinary character. Inside, a quote closes the field unless
it is doubled or escaped. What follows a closing quote is delimiter, line end or spaces; other text is junk, and up to
the next delimiter or line end quotes in it mean nothing.

Two ways give the same answer: ``_exact`` walks from quote to quote and understands everything; module ``regular`` works
on whole arrays and gives up when it meets a quote that a careful writer would not have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, Flag, auto

from tolva.formats.delimited.dialect import Dialect

_LF, _CR, _SPACE = b"\n\r "


class _State(Enum):
    START = auto()  # at the start of a field
    SPACED = auto()  # after one space at the start of a field
    BARE = auto()  # inside an unquoted field
    QUOTED = auto()  # inside a quoted field
    ESCAPED = auto()  # after an escape character inside a quoted field
    CLOSED = auto()  # after a quote inside a quoted field
    TRAILED = auto()  # after a closing quote and spaces
    COMMENT = auto()  # in a line that is a comment


class Note(Flag):
    """What a reader must know about a text before it reads it."""

    QUOTED = auto()  # it has some
    MULTILINE = auto()  # a quoted field holds a line end
    ODD = auto()  # a reader that knows only regular quotes would misread something
    ESCAPED = auto()  # a quoted field holds an escape character
    BARE_ESCAPE = auto()  # an escape character stands outside of quoted fields
    RETURNS = auto()  # a CR stands somewhere
    COMMENTS = auto()  # the character that begins comments stands somewhere


NOTHING = Note(0)

_EXACT_BYTES = 4096


class QuoteScanner:
    """Finds the record ends of one stream, block by block, and notes what readers must know."""

    def __init__(self, dialect: Dialect) -> None:
        self._quote = ord(dialect.quote or "\0")
        self._delimiter = ord(dialect.delimiter)
        self._escape = ord(dialect.escape) if dialect.escape else None
        self._comment = dialect.comment.encode() if dialect.comment else None
        self._state = _State.START
        self._at_record_start = True
        self._notes = NOTHING

    def take_notes(self) -> Note:
        """Return what was noted since the last call."""
        notes, self._notes = self._notes, NOTHING
        return notes

    @property
    def open(self) -> bool:
        """Whether the text so far ends inside a quoted field."""
        return self._state in (_State.QUOTED, _State.ESCAPED)

    @property
    def plain(self) -> bool:
        """Whether a following text without any quote or escape needs no scan."""
        return self._state in (_State.START, _State.SPACED, _State.BARE)

    def skip(self, block: bytes | bytearray, start: int, end: int) -> None:
        """Go past ``block[start:end]``, which holds no quote and no comment; allowed while ``plain``."""
        if start < end:
            if self._escape is not None and block.find(self._escape, start, end) >= 0:
                self._notes |= Note.BARE_ESCAPE
            self._state = self._after_bare(block, start, end)
            self._at_record_start = block[end - 1] == _LF

    def record_ends(self, block: bytes | bytearray, start: int, end: int) -> Sequence[int]:
        """Return the ascending positions in ``block`` just after each record that ends in ``block[start:end]``."""
        self._notes |= Note.QUOTED
        ends: list[int] = []
        if self._comment is None:
            self._scan(block, start, end, ends)
        else:
            self._scan_commented(block, start, end, ends, self._comment)
        return ends

    def _scan_commented(self, block: bytes | bytearray, start: int, end: int, ends: list[int], comment: bytes) -> None:
        """Scan what is between comments, where quotes mean nothing. A comment ends as a record does."""
        at = start
        while at < end:
            if self._state is _State.COMMENT or (self._at_record_start and block.startswith(comment, at)):
                line_end = block.find(_LF, at, end)
                self._state = _State.COMMENT if line_end < 0 else _State.START
                at = line_end + 1 or end
                ends += [at] if line_end >= 0 else []
            else:
                # A line that begins like a comment is none in a quoted field: then the scan finds no record end there.
                line_end = block.find(b"\n" + comment, at, end)
                stop = line_end + 1 or end
                self._scan(block, at, stop, ends)
                at = stop
            self._at_record_start = bool(ends) and ends[-1] == at

    def _scan(self, block: bytes | bytearray, start: int, end: int, ends: list[int]) -> None:
        """Scan by whole arrays where that works, and exactly only around the quotes for which it doesn't."""
        while start < end and self._state not in (_State.START, _State.BARE, _State.QUOTED):
            self._exact(block, start, start + 1, ends)
            start += 1
        if self._regular(block, start, end, ends):
            return
        if end - start <= _EXACT_BYTES:
            self._exact(block, start, end, ends)
            return
        middle = (start + end) // 2
        self._scan(block, start, middle, ends)
        self._scan(block, middle, end, ends)

    def _regular(self, block: bytes | bytearray, start: int, end: int, ends: list[int]) -> bool:
        # Loaded at the first quote: most files have none, and numpy takes longer to load than a small job to run.
        from tolva.formats.delimited import regular  # noqa: PLC0415

        marks = regular.Marks(self._quote, self._delimiter, self._escape)
        inside, may_open = self._state is _State.QUOTED, self._state is _State.START
        seen = regular.scan(block, start, end, marks, inside=inside, may_open=may_open)
        if seen is None:
            return False
        ends += seen.ends
        if seen.multiline:
            self._notes |= Note.MULTILINE
        if seen.escaped:
            self._notes |= Note.ESCAPED
        if seen.inside:
            self._state = _State.ESCAPED if seen.ends_escaped else _State.QUOTED
        elif seen.last_quote == end - 1:
            self._state = _State.CLOSED
        elif end > start:
            self._state = self._after_bare(block, seen.last_quote + 1, end)
        return True

    def _exact(self, block: bytes | bytearray, start: int, end: int, ends: list[int]) -> None:
        at = start
        while at < end:
            if self._state is _State.QUOTED:
                at = self._exact_quoted(block, at, end)
            elif self._state is _State.ESCAPED:
                self._note_line_end(block, at, at + 1)
                self._state = _State.QUOTED
                at += 1
            elif self._state in (_State.CLOSED, _State.TRAILED):
                self._exact_closed(block[at])
                at += 1
                if block[at - 1] == _LF:
                    ends.append(at)
            else:
                at = self._exact_bare(block, at, end, ends)

    def _exact_quoted(self, block: bytes | bytearray, at: int, end: int) -> int:
        stop = block.find(self._quote, at, end)
        self._state = _State.CLOSED
        if stop < 0:
            stop = end
            self._state = _State.QUOTED
        if self._escape is not None:
            escape = block.find(self._escape, at, stop)
            if escape >= 0:
                stop = escape
                self._state = _State.ESCAPED
                self._notes |= Note.ESCAPED
        self._note_line_end(block, at, stop)
        return stop + 1

    def _exact_closed(self, byte: int) -> None:
        if byte == self._quote and self._escape is None and self._state is _State.CLOSED:
            self._state = _State.QUOTED
        elif byte in (self._delimiter, _LF):
            self._state = _State.START
        elif byte == _CR:
            self._state = _State.BARE
        else:
            self._notes |= Note.ODD
            self._state = _State.TRAILED if byte == _SPACE else _State.BARE

    def _exact_bare(self, block: bytes | bytearray, at: int, end: int, ends: list[int]) -> int:
        stop = block.find(self._quote, at, end)
        stop = end if stop < 0 else stop
        line_end = block.find(_LF, at, stop)
        while line_end >= 0:
            ends.append(line_end + 1)
            line_end = block.find(_LF, line_end + 1, stop)
        self.skip(block, at, stop)
        if stop < end:
            if self._state is _State.SPACED:
                self._notes |= Note.ODD
            self._state = _State.BARE if self._state is _State.BARE else _State.QUOTED
        return stop + 1

    def _after_bare(self, block: bytes | bytearray, start: int, end: int) -> _State:
        """Return the state after ``block[start:end]``, which holds no quote, begun in the present state."""
        last = block[end - 1]
        if last in (self._delimiter, _LF):
            return _State.START
        if last != _SPACE:
            return _State.BARE
        at_start = block[end - 2] in (self._delimiter, _LF) if end - 2 >= start else self._state is _State.START
        return _State.SPACED if at_start else _State.BARE

    def _note_line_end(self, block: bytes | bytearray, start: int, end: int) -> None:
        if Note.MULTILINE not in self._notes and (block.find(_LF, start, end) >= 0 or block.find(_CR, start, end) >= 0):
            self._notes |= Note.MULTILINE
