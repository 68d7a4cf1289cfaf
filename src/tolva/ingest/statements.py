"""The SELECTs that cast and check a chunk's records, all columns and all rules in one pass.

They are built in layers, each over the one before, so that every value is computed once: fields as text, values, what
expressions of the user see, computed values, faults. Names that begin with two underscores are tolva's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tolva.formats.types import decimal_size
from tolva.ingest.rules import ColumnRule, Rules
from tolva.planner.quoting import literal, quoted

FIELDS = "__fields"
"""The relation of the chunk's records: columns ``__f0`` and so on are the fields, all text."""

BAD = "__bad"
"""Whether a record has any fault: 0 or 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why a record may be rejected: its condition, and its message, both as SQL."""

    column: str | None
    code: str
    condition: str
    message: str


@dataclass(frozen=True, slots=True)
class Statements:
    """What is asked about every chunk.

    Args:
        values: the SELECT of all records' values, and of ``BAD``.
        reasons: the SELECT of every reason of bad records: ``__row`` (which the fields have beside them), ``n`` (the
            fault's number), ``column``, ``code``, ``message``.
    """

    values: str
    reasons: str


def statements(rules: Rules, fields: Sequence[str], expressions: Mapping[str, str]) -> Statements:
    """Return the SELECTs for these rules.

    Args:
        rules: what is asked of records.
        fields: the names of the file's fields.
        expressions: the users' expressions as they were checked, by their text.
    """
    layers = _Layers(rules, fields, expressions)
    faults = list(layers.faults())
    columns = ", ".join(quoted(column.name) for column in rules.columns)
    bad = " OR ".join(f"({fault.condition})" for fault in faults) or "false"
    values = f"SELECT {columns}, CAST(coalesce({bad}, false) AS UTINYINT) AS {BAD} FROM ({layers.checked(())})"
    branches = [
        f'SELECT __row, {n} AS n, {_text(fault.column)} AS "column", {literal(fault.code)} AS code, '
        f"{fault.message} AS message FROM checked WHERE {fault.condition}"
        for n, fault in enumerate(faults)
    ]
    nothing = "SELECT 0 AS __row, 0 AS n, '' AS \"column\", '' AS code, '' AS message WHERE false"
    checked = layers.checked(("__row",))
    reasons = f"WITH checked AS MATERIALIZED ({checked}) {' UNION ALL '.join(branches or [nothing])}"
    return Statements(values, reasons)


class _Layers:
    def __init__(self, rules: Rules, fields: Sequence[str], expressions: Mapping[str, str]) -> None:
        self._rules = rules
        self._fields = fields
        self._expressions = expressions
        self._number = {name: i for i, name in enumerate(fields)}
        self._read = [(i, column) for i, column in enumerate(rules.columns) if column.source is not None]
        self._computed = [(i, column) for i, column in enumerate(rules.columns) if column.sql is not None]

    def checked(self, extra: Sequence[str]) -> str:
        """Return the SELECT that has texts (``__x0``), values by their names, and expressions' results (``__s0``)."""
        kept = "".join(f", {name}" for name in extra)
        texts = "".join(f", {self._text(column)} AS __x{i}" for i, column in self._read)
        values = "".join(f", {_value(f'__x{i}', column)} AS __v{i}" for i, column in self._read)
        read = f"SELECT *{values} FROM (SELECT *{texts} FROM {FIELDS})"
        own = {column.name.casefold() for column in self._rules.columns}
        shown = [f"__x{i}, __v{i} AS {quoted(column.name)}" for i, column in self._read]
        shown += [f"__f{i} AS {quoted(name)}" for i, name in enumerate(self._fields) if name.casefold() not in own]
        scope = f"SELECT {', '.join(shown) or '1 AS __one'}{kept} FROM ({read})"
        tried = "".join(f", {_tried(self._expressions[str(column.sql)])} AS __s{i}" for i, column in self._computed)
        tried += "".join(
            f", {_tried(self._expressions[check.sql])} AS __c{i}" for i, check in enumerate(self._rules.checks)
        )
        results = "".join(
            f", {_with_default(f'TRY_CAST(__s{i}.v AS {column.type})', column)} AS {quoted(column.name)}"
            for i, column in self._computed
        )
        return f"SELECT *{results} FROM (SELECT *{tried} FROM ({scope}))"

    def faults(self) -> Iterator[Fault]:
        """Yield what can be wrong, in the order in which it is reported of one record."""
        for i, column in enumerate(self._rules.columns):
            name = quoted(column.name)
            if column.source is not None:
                text = f"__x{i}"
                kind = _described(column)
                yield Fault(
                    column.name, "type", f"{text} IS NOT NULL AND {name} IS NULL", _says(text, f"is not {kind}")
                )
            else:
                told = "can't be computed from this record"
                broken = f"__s{i} IS NULL OR (__s{i}.v IS NOT NULL AND {name} IS NULL)"
                yield Fault(column.name, "computed", broken, literal(told))
            if column.required:
                missing = (
                    f"__x{i} IS NULL AND {name} IS NULL" if column.source else f"__s{i}.v IS NULL AND {name} IS NULL"
                )
                if column.source is None:
                    missing = f"__s{i} IS NOT NULL AND {missing}"
                yield Fault(column.name, "required", missing, literal("is empty, and a value is required"))
            yield from _of_value(column, name)
        for i, check in enumerate(self._rules.checks):
            yield Fault(None, check.code, f"__c{i} IS NULL OR NOT __c{i}.v", literal(check.message))

    def _text(self, column: ColumnRule) -> str:
        field = f"__f{self._number[str(column.source)]}"
        return f"nullif(trim({field}), '')" if column.trim else field


def _of_value(column: ColumnRule, name: str) -> Iterator[Fault]:
    shown = f"CAST({name} AS VARCHAR)"
    for code, sign, bound in (("min", "<", column.minimum), ("max", ">", column.maximum)):
        if bound is not None:
            told = _says(shown, f"is {'less' if sign == '<' else 'more'} than {bound}")
            yield Fault(column.name, code, f"{name} {sign} CAST({literal(bound)} AS {column.type})", told)
    for code, sign, length in (("min_length", "<", column.min_length), ("max_length", ">", column.max_length)):
        if length is not None:
            word = "at least" if sign == "<" else "at most"
            told = f"concat('has ', length({shown}), ' characters, {word} {length} are allowed')"
            yield Fault(column.name, code, f"length({shown}) {sign} {length}", told)
    if column.allowed:
        listed = ", ".join(f"CAST({literal(value)} AS {column.type})" for value in column.allowed)
        told = _says(shown, f"is none of {', '.join(column.allowed)}")
        yield Fault(column.name, "not_allowed", f"{name} NOT IN ({listed})", told)
    if column.pattern is not None:
        told = _says(shown, f"doesn't match {column.pattern}")
        yield Fault(column.name, "pattern", f"NOT regexp_full_match({shown}, {literal(column.pattern)})", told)


def value_sql(column: ColumnRule, text: str) -> str:
    """Return a constant of the column's type, cast from text; DuckDB refuses one that isn't of it."""
    return f"CAST({literal(text)} AS {column.type})"


def _value(text: str, column: ColumnRule) -> str:
    return _with_default(_cast(text, column), column, text)


def _cast(text: str, column: ColumnRule) -> str:
    kind = column.type
    if column.formats:
        listed = ", ".join(map(literal, column.formats))
        return f"TRY_CAST(try_strptime({text}, [{listed}]) AS {kind})"
    if kind == "VARCHAR":
        return text
    decimal = decimal_size(kind)
    if decimal:
        return f"coalesce(TRY_CAST({text} AS {kind}), TRY_CAST(TRY_CAST({text} AS DECIMAL(38,{decimal[1]})) AS {kind}))"
    return f"TRY_CAST({text} AS {kind})"


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


def _text(name: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if name is None else literal(name)
