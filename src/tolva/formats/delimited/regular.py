"""Record ends in text whose quotes are all where a careful writer puts them, by whole arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_LF, _CR = b"\n\r"


@dataclass(frozen=True, slots=True)
class Marks:
    """The bytes that matter; ``doubled``: two quotes inside a quoted field stand for one."""

    quote: int
    delimiter: int
    doubled: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What a text held: record ends, and whether it ends in a quoted field; ``last_quote`` is where, or start - 1."""

    ends: list[int]
    multiline: bool
    inside: bool
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
    if not _well_formed(text, quotes, marks, inside=inside, may_open=may_open):
        return None
    line_ends = np.flatnonzero(text == _LF)
    quoted = _quoted(line_ends, quotes, inside=inside)
    multiline = bool(quoted.any())
    if not multiline and block.find(_CR, start, end) >= 0:
        multiline = bool(_quoted(np.flatnonzero(text == _CR), quotes, inside=inside).any())
    ends: list[int] = (line_ends[~quoted] + (start + 1)).tolist()
    last_quote = start + int(quotes[-1]) if len(quotes) else start - 1
    return Seen(ends, multiline, bool((len(quotes) + inside) & 1), last_quote)


def _quoted(positions: npt.NDArray[np.int64], quotes: npt.NDArray[np.int64], *, inside: bool) -> npt.NDArray[np.bool_]:
    return ((np.searchsorted(quotes, positions) + inside) & 1).astype(np.bool_)


def _well_formed(
    text: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], marks: Marks, *, inside: bool, may_open: bool
) -> bool:
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
    if marks.doubled:
        opens |= before == marks.quote
        closes |= after == marks.quote
    return bool(opens.all() and closes.all())
