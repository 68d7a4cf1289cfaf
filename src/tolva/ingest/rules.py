"""What a job says of the columns it loads: where their values come from, and what these must be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column of the table.

    Args:
        name: its name.
        type: its canonical type.
        source: the field that it is read from; None if it is computed.
        sql: the expression that it is computed by, over the other columns and the fields.
        formats: how dates and times may be written, in the words of ``strptime``; none: as DuckDB casts them.
        required: whether it must have a value.
        default: what an empty field means, as text.
        minimum, maximum: the least and the greatest value, as text.
        min_length, max_length: of its text, in characters.
        allowed: its only values, as text; none: any.
        pattern: a regular expression that its whole text must match.
        unique: whether a value may come once in a load.
        trim: whether blanks around the field don't count.
    """

    name: str
    type: str
    source: str | None = None
    sql: str | None = None
    formats: tuple[str, ...] = ()
    required: bool = False
    default: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    allowed: tuple[str, ...] = ()
    pattern: str | None = None
    unique: bool = False
    trim: bool = False


@dataclass(frozen=True, slots=True)
class CheckRule:
    """A condition over several columns; a record for which it is false, or fails, is rejected."""

    sql: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All that a record must pass."""

    columns: tuple[ColumnRule, ...]
    checks: tuple[CheckRule, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def unique_sets(self) -> tuple[tuple[str, ...], ...]:
        """Return the sets of columns by which no two records of a load may be equal."""
        single = [(column.name,) for column in self.columns if column.unique]
        return tuple(dict.fromkeys([*single, *([self.key] if self.key else [])]))


@dataclass(frozen=True, slots=True)
class Limits:
    """How many records may be rejected: any number by default; a ratio counts from 300 records on."""

    max_rejects: int | None = None
    max_reject_ratio: float | None = None
