"""Record ends in text whose quotes are all where a careful writer puts them, by whole arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_LF, _CR = b"\n\r"

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Marks:
    """The bytes that matter. Without an escape, two quotes inside a quoted field stand for one."""

    quote: int
    delimiter: int
    escape: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a text held.

    Attributes:
        ends: the positions after its records.
        multiline: a quoted field held a line end.
        escaped: a quoted field held an escape.
        inside: the text ends in a quoted field.
        ends_escaped: its last byte escapes the next.
        last_quote: where the last quote is; the position before the text if there is none.
    """

    ends: list[int]
    multiline: bool
    escaped: bool
    inside: bool
    ends_escaped: bool
    last_quote: int


def scan(block: bytes | bytearray, start: int, end: int, marks: Marks, *, inside: bool, may_open: bool) -> Seen | None:
    """Find the record ends in ``block[start:end]``, or None when a quote isn't regular.

    Every second quote opens a field and every other closes one; a doubled quote closes and opens at once. That holds
    as long as each opening quote follows a delimiter or line end, and each closing one is followed by such.

    Args:
        block: holds the text; positions in the answer are those in it.
        start: where the text starts.
        end: the position after it.
        marks: the bytes that matter.
        inside: the text starts inside a quoted field.
        may_open: the text starts at the start of a field.
    """
    text = np.frombuffer(block, np.uint8, end - start, start)
    quotes = np.flatnonzero(text == marks.quote)
    escapes = np.flatnonzero(text == marks.escape) if marks.escape is not None else quotes[:0]
    active = _active(escapes)
    if len(escapes):
        escaped = np.zeros(len(text) + 1, np.bool_)
        escaped[active + 1] = True
        quotes = quotes[~escaped[quotes]]
        if not _quoted(escapes, quotes, inside=inside).all():
            return None
    if not _well_formed(text, quotes, marks, inside=inside, may_open=may_open):
        return None
    line_ends = np.flatnonzero(text == _LF)
    quoted = _quoted(line_ends, quotes, inside=inside)
    multiline = bool(quoted.any())
    if not multiline and block.find(_CR, start, end) >= 0:
        multiline = bool(_quoted(np.flatnonzero(text == _CR), quotes, inside=inside).any())
    return Seen(
        ends=(line_ends[~quoted] + (start + 1)).tolist(),
        multiline=multiline,
        escaped=len(escapes) > 0,
        inside=bool((len(quotes) + inside) & 1),
        ends_escaped=len(active) > 0 and int(active[-1]) == len(text) - 1,
        last_quote=start + int(quotes[-1]) if len(quotes) else start - 1,
    )


def _active(escapes: Positions) -> Positions:
    """Return the escapes that aren't themselves escaped: every second one of a run, from its first."""
    index = np.arange(len(escapes))
    starts_run = np.diff(escapes, prepend=-2) != 1
    run_start = np.maximum.accumulate(np.where(starts_run, index, 0))
    active: Positions = escapes[(index - run_start) & 1 == 0]
    return active


def _quoted(positions: Positions, quotes: Positions, *, inside: bool) -> npt.NDArray[np.bool_]:
    """Tell which positions are inside quoted fields."""
    return ((np.searchsorted(quotes, positions) + inside) & 1).astype(np.bool_)


def _well_formed(text: npt.NDArray[np.uint8], quotes: Positions, marks: Marks, *, inside: bool, may_open: bool) -> bool:
    opening, closing = quotes[int(inside) :: 2], quotes[int(not inside) :: 2]
    if len(opening) and opening[0] == 0:
        if not may_open:
            return False
        opening = opening[1:]
    if len(closing) and closing[-1] == len(text) - 1:
        closing = closing[:-1]
    before, after = text[opening - 1], text[closing + 1]
    opens = (before == marks.delimiter) | (before == _LF)
    closes = (after == marks.delimiter) | (after == _LF) | (after == _CR)
    if marks.escape is None:
        opens |= before == marks.quote
        closes |= after == marks.quote
    return bool(opens.all() and closes.all())
