"""Looks at all of a chunk's bytes with numpy, slice by slice so that every look after the first finds them cached."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tolva.formats.delimited.text import Text
from tolva.formats.origin import count_byte

_LF, _CR = b"\n\r"
_SLICE_BYTES = 256 * 1024


def count_clean(text: Text) -> int | None:
    """Return the number of records, or None when that takes a parser.

    Safe is text without quotes, comments, CR or empty lines that holds as many delimiters as its lines must have
    together.
    """
    data, traits = text.data, text.traits
    if any(traits.get(trait) for trait in ("quoted", "comments", "returns")):
        return None
    if bytes(data[:1]) == b"\n" or has_pair(data, b"\n", b"\n"):
        return None
    lines = count_byte(data, b"\n") + (bytes(data[-1:]) != b"\n" and len(data) > 0)
    return lines if count_byte(data, text.dialect.delimiter.encode()) == lines * (len(text.header) - 1) else None


def has_pair(data: memoryview, first: bytes, second: bytes) -> bool:
    """Whether the byte ``first`` stands right before the byte ``second`` somewhere."""
    return any(((text[:-1] == first[0]) & (text[1:] == second[0])).any() for text in _slices(data))


def has_lone_return(data: memoryview) -> bool:
    """Whether a CR stands somewhere that no LF follows."""
    return bytes(data[-1:]) == b"\r" or any(((text[:-1] == _CR) & (text[1:] != _LF)).any() for text in _slices(data))


def _slices(data: memoryview) -> Iterator[npt.NDArray[np.uint8]]:
    """Give the text in slices of ``_SLICE_BYTES``, each with the first byte of the next."""
    text = np.frombuffer(data, np.uint8)
    return (text[at : at + _SLICE_BYTES + 1] for at in range(0, len(text), _SLICE_BYTES))
