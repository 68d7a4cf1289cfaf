"""How a delimited file is written: delimiter, quote, escape, header or none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tolva.errors import UsageError


@dataclass(frozen=True, slots=True)
class Dialect:
    """The characters that give a delimited file its shape; each is one ASCII character.

    Args:
        delimiter: stands between fields.
        quote: encloses a field that may hold delimiters and line ends; None: no field is quoted.
        escape: inside a quoted field, makes the next character plain; None: a quote is written twice instead.
        comment: at the start of a line, makes the line no record.
        header: whether the first record holds the columns' names.

    Lines end in LF or CRLF. Text is UTF-8, or was made so.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        chars = [c for c in (self.delimiter, self.quote, self.escape, self.comment) if c is not None]
        for char in chars:
            if len(char) != 1 or not char.isascii() or char in "\r\n\0":
                raise UsageError(
                    f"{char!r} can't be a delimiter, quote, escape or comment: give one ASCII character, but no line "
                    "end",
                    value=char,
                )
        if len(set(chars)) < len(chars):
            raise UsageError("delimiter, quote, escape and comment must be different characters", value="".join(chars))
        if self.escape and not self.quote:
            raise UsageError("an escape character works only inside quoted fields: give a quote character as well")

    def to_json(self) -> dict[str, Any]:
        """Return the dialect as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> Dialect:
        """Rebuild a dialect written by ``to_json``."""
        return Dialect(**value)
