"""What is asked about a chunk's records, as SQL: one SELECT over texts, one over whole records.

What a column is read from decides alone whether it is good, so columns that are read are asked about text by text, each
different one once where they repeat. What is computed from several columns is asked about records. A fault is a column
of the answer: NULL where it isn't found, else what to tell of it. Both SELECTs are built in layers, so that every value
is computed once. Names that begin with two underscores are tolva's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from tolva.formats.delimited.casting import cast_sql
from tolva.ingest.rules import CheckRule, ColumnRule, Rules
from tolva.planner.quoting import literal

TEXTS = "__texts"
"""The relation of what columns are read from: ``__t0`` and so on, by the number of the column, all text."""

RECORDS = "__records"
"""The relation of what users' expressions see: columns that were read, and fields of other names."""

_TEXT = "VARCHAR"
_TYPE, _REQUIRED = "type", "required"


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why a record may be rejected; they are reported in the order of their numbers.

    Args:
        column: the column at fault; None if it is the whole record.
        code: what is wrong, for programs.
        condition: when it is so, as SQL.
        message: what is wrong, for people, if that is always the same.
        told: else the SQL that tells it.
    """

    column: str | None
    code: str
    condition: str
    message: str | None = None
    told: str = "true"
    number: int = 0

    @property
    def sql(self) -> str:
        """What is a column of an answer."""
        return f"CASE WHEN {self.condition} THEN {self.told} END AS __n{self.number}"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the column of this number is read from a field: SQL of its text and of its value, and what can be wrong.

    Where the value is no more than what its type makes of the text, the field may be given as values of the type
    ``hoped`` for.
    """

    column: int
    field: int
    text: str
    value: str
    faults: tuple[Fault, ...]
    hoped: str | None = None

    def of_values(self, *, some_null: bool) -> Reading:
        """Return what is left to be found out where the field is given as values."""
        left = (fault for fault in self.faults if fault.code != _TYPE and (some_null or fault.code != _REQUIRED))
        return replace(self, text=f"__t{self.column}", value=f"__x{self.column}", faults=tuple(left))


@dataclass(frozen=True, slots=True)
class Computing:
    """What is computed from records: columns by their numbers, the SELECT of all, and what can be wrong.

    ``fields`` and ``columns`` are what the expressions see, by number and name; two records in which these are equal
    come to the same, for no expression may call a function that gives another value each time.
    """

    made: tuple[int, ...]
    fields: tuple[tuple[int, str], ...]
    columns: tuple[tuple[int, str], ...]
    sql: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Statements:
    """All that is asked about a chunk's records; ``computing`` is None where nothing is computed."""

    readings: tuple[Reading, ...]
    computing: Computing | None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Statements:
        """Read what ``asdict`` made of it, be it from JSON."""
        readings = tuple(Reading(**{**given, "faults": _faults_from(given)}) for given in value["readings"])
        given = value["computing"]
        computing = Computing(**{**given, "faults": _faults_from(given)}) if given else None
        return cls(readings, computing)


def statements(rules: Rules, fields: Sequence[str], expressions: Mapping[str, str]) -> Statements:
    """Return what these rules want to know.

    Args:
        rules: what is asked of records.
        fields: the names of the file's fields.
        expressions: the users' expressions as they were checked, by their text.
    """
    numbers = count()
    position = {name: i for i, name in enumerate(fields)}
    readings: list[Reading] = []
    made: dict[int, ColumnRule] = {}
    faults: list[Fault] = []
    for i, column in enumerate(rules.columns):
        found = _numbered(_faults(i, column), numbers)
        if column.source is None:
            made[i] = column
            faults += found
        else:
            text = f"nullif(trim(__t{i}), '')" if column.trim else f"__t{i}"
            value = _value(f"__x{i}", column)
            hoped = None if column.trim or column.formats or column.default is not None else column.type
            readings.append(Reading(i, position[column.source], text, value, tuple(found), hoped))
    tests = (Fault(None, c.code, f"__c{i} IS NULL OR NOT __c{i}.v", c.message) for i, c in enumerate(rules.checks))
    faults += _numbered(tests, numbers)
    if not faults:
        return Statements(_with_one_hope(readings, ()), None)
    seen = _Seen(expressions.values())
    own = {column.name.casefold() for column in rules.columns}
    computing = Computing(
        made=tuple(made),
        fields=tuple((i, name) for i, name in enumerate(fields) if name.casefold() not in own and name in seen),
        columns=tuple((r.column, name) for r in readings if (name := rules.columns[r.column].name) in seen),
        sql=_of_records(made, rules.checks, expressions, faults),
        faults=tuple(faults),
    )
    return Statements(_with_one_hope(readings, [i for i, _ in computing.fields]), computing)


def _with_one_hope(readings: Sequence[Reading], as_text: Collection[int]) -> tuple[Reading, ...]:
    """Return readings that hope for the same of each field, and for nothing but text of those seen ``as_text``."""
    hopes: dict[int, set[str | None]] = {i: {_TEXT} for i in as_text}
    for reading in readings:
        hopes.setdefault(reading.field, set()).add(reading.hoped)
    return tuple(r if r.hoped == _TEXT or len(hopes[r.field]) == 1 else replace(r, hoped=None) for r in readings)


def _faults_from(value: Mapping[str, Any]) -> tuple[Fault, ...]:
    return tuple(Fault(**fault) for fault in value["faults"])


def of_texts(readings: Sequence[Reading], *, with_values: bool) -> str:
    """Return the SELECT of faults (``__n0`` and so on) of columns that are read, and of their values (``__v0``)."""
    numbers = [reading.column for reading in readings]
    texts = ", ".join(f"{reading.text} AS __x{reading.column}" for reading in readings)
    values = _more(numbers, [reading.value for reading in readings])
    listed = [f"__v{i}" for i in numbers] if with_values else []
    listed += [fault.sql for reading in readings for fault in reading.faults]
    return f"SELECT {', '.join(listed)} FROM (SELECT *{values} FROM (SELECT {texts} FROM {TEXTS}))"


def _of_records(
    made: Mapping[int, ColumnRule],
    checks: Sequence[CheckRule],
    expressions: Mapping[str, str],
    faults: Sequence[Fault],
) -> str:
    tried = [f"{_tried(expressions[str(column.sql)])} AS __s{i}" for i, column in made.items()]
    tried += [f"{_tried(expressions[check.sql])} AS __c{i}" for i, check in enumerate(checks)]
    values = [_with_default(f"TRY_CAST(__s{i}.v AS {column.type})", column) for i, column in made.items()]
    listed = [*(f"__v{i}" for i in made), *(fault.sql for fault in faults)]
    layers = f"SELECT *{_more(made, values)} FROM (SELECT {', '.join(tried)} FROM {RECORDS})"
    return f"SELECT {', '.join(listed)} FROM ({layers})"


def _more(numbers: Iterable[int], values: Iterable[str]) -> str:
    return "".join(f", {value} AS __v{i}" for i, value in zip(numbers, values, strict=True))


class _Seen:
    """Which columns expressions may see: a column is named, in whatever letters, or there is something for many."""

    def __init__(self, expressions: Iterable[str]) -> None:
        self._text = " ".join(expressions).casefold()
        self._all = "*" in self._text or "columns" in self._text

    def __contains__(self, name: str) -> bool:
        return self._all or name.replace('"', '""').casefold() in self._text


def _numbered(faults: Iterable[Fault], numbers: Iterator[int]) -> list[Fault]:
    return [replace(fault, number=next(numbers)) for fault in faults]


def _faults(i: int, column: ColumnRule) -> Iterator[Fault]:
    """Yield what can be wrong with the column of number ``i``, in the order in which it is reported of one record."""
    value, text, result = f"__v{i}", f"__x{i}", f"__s{i}"
    if column.source is None:
        broken = f"{result} IS NULL OR ({result}.v IS NOT NULL AND {value} IS NULL)"
        yield Fault(column.name, "computed", broken, "can't be computed from this record")
        missing = f"{result} IS NOT NULL AND {result}.v IS NULL AND {value} IS NULL"
    else:
        told = _says(text, f"is not {_described(column)}")
        if column.type != _TEXT or column.formats:
            yield Fault(column.name, _TYPE, f"{text} IS NOT NULL AND {value} IS NULL", told=told)
        missing = f"{text} IS NULL AND {value} IS NULL"
    if column.required:
        yield Fault(column.name, _REQUIRED, missing, "is empty, and a value is required")
    yield from _of_value(column, value)


def _of_value(column: ColumnRule, value: str) -> Iterator[Fault]:
    shown = value if column.type == _TEXT else f"CAST({value} AS VARCHAR)"
    for code, sign, bound in (("min", "<", column.minimum), ("max", ">", column.maximum)):
        if bound is not None:
            told = _says(shown, f"is {'less' if sign == '<' else 'more'} than {bound}")
            yield Fault(column.name, code, f"{value} {sign} {value_sql(column, bound)}", told=told)
    for code, sign, length in (("min_length", "<", column.min_length), ("max_length", ">", column.max_length)):
        if length is not None:
            word = "at least" if sign == "<" else "at most"
            told = f"concat('has ', length({shown}), ' characters, {word} {length} are allowed')"
            yield Fault(column.name, code, f"length({shown}) {sign} {length}", told=told)
    if column.allowed:
        listed = ", ".join(value_sql(column, allowed) for allowed in column.allowed)
        told = _says(shown, f"is none of {', '.join(column.allowed)}")
        yield Fault(column.name, "not_allowed", f"{value} NOT IN ({listed})", told=told)
    if column.pattern is not None:
        told = _says(shown, f"doesn't match {column.pattern}")
        yield Fault(column.name, "pattern", f"NOT regexp_full_match({shown}, {literal(column.pattern)})", told=told)


def value_sql(column: ColumnRule, text: str) -> str:
    """Return a constant of the column's type, cast from text; DuckDB refuses one that isn't of it."""
    return f"CAST({literal(text)} AS {column.type})"


def _value(text: str, column: ColumnRule) -> str:
    return _with_default(_cast(text, column), column, text)


def _cast(text: str, column: ColumnRule) -> str:
    if column.formats:
        listed = ", ".join(map(literal, column.formats))
        return f"TRY_CAST(try_strptime({text}, [{listed}]) AS {column.type})"
    return text if column.type == _TEXT else cast_sql(text, column.type)


def _with_default(value: str, column: ColumnRule, text: str | None = None) -> str:
    if column.default is None:
        return value
    default = value_sql(column, column.default)
    return (
        f"coalesce({value}, {default})" if text is None else f"CASE WHEN {text} IS NULL THEN {default} ELSE {value} END"
    )


def _tried(expression: str) -> str:
    """Return a struct of the expression's value; NULL itself where the expression fails."""
    return f"TRY(struct_pack(v := ({expression}\n)))"


def _described(column: ColumnRule) -> str:
    if column.formats:
        return f"a real {column.type} written as {' or '.join(column.formats)}"
    return f"{'an' if column.type[0] in 'AEIOU' else 'a'} {column.type}"


_SHOWN_CHARACTERS = 60


def _says(text: str, rest: str) -> str:
    shown = f"left({text}, {_SHOWN_CHARACTERS})"
    dots = f"CASE WHEN length({text}) > {_SHOWN_CHARACTERS} THEN '...' ELSE '' END"
    return f"concat('''', {shown}, {dots}, ''' ', {literal(rest)})"
