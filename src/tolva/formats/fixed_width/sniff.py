"""Guesses where the fields of a fixed-width file are: between the columns of spaces that all its lines share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

_FEW = 2


def positions_of(lines: Sequence[str]) -> dict[str, str]:
    """Return positions as a document has them; none when these lines don't look like fixed width.

    A field takes the spaces after it, so that the positions cover whole records.
    """
    widths = {len(line) for line in lines}
    if len(lines) < _FEW or len(widths) != 1 or widths == {0}:
        return {}
    blank = [all(line[at] == " " for line in lines) for at in range(len(lines[0]))]
    starts, at = [], 0
    for is_blank, run in groupby(blank):
        if not is_blank:
            starts.append(at)
        at += len(list(run))
    if len(starts) < _FEW:
        return {}
    starts[0] = 0
    ends = [*starts[1:], len(blank)]
    digits = len(str(len(starts) - 1))
    return {
        f"field{i:0{digits}}": f"{start + 1}-{end}" for i, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
