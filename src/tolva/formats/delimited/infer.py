"""The type of a column from its texts, by the rules of DuckDB's sniffer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date

_WHOLE = re.compile(r"\s*(-?)(0|[1-9][0-9]*)\s*")
_REAL = re.compile(r"\s*(?:-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?[nN][aA][nN])")
_DATE = r"([0-9]{4})(?P<sep>[-/])([0-9]{1,2})(?P=sep)([0-9]{1,2})"
_TIME = r"(?:[01]?[0-9]|2[0-3]):(?:[0-5][0-9]|[0-5]?[0-9]:[0-5]?[0-9](?:\.[0-9]+)?)"
_ZONE = r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_TIME_OF_DAY = re.compile(rf"\s*{_TIME}\s*")
_DAY = re.compile(rf"\s*{_DATE}\s*")
_MOMENT = re.compile(rf"\s*{_DATE}[ T]{_TIME}{_ZONE}\s*")
_BOOLEANS = frozenset(("true", "false", "t", "f", "yes", "no"))
_MAX_DIGITS = 38
_MIN_BIGINT, _MAX_BIGINT = -(2**63), 2**63 - 1


def infer(texts: Iterable[str]) -> str | None:
    """Return the narrowest type that all texts have; None when there is no text that isn't empty.

    A number with leading zeros is text, as codes are. A day in any order but year, month, day is text, as DuckDB's
    CAST reads no other. Whole numbers beyond BIGINT are DECIMAL(38,0), which DuckDB would call HUGEINT.
    """
    distinct = set(texts)
    distinct.discard("")
    if not distinct:
        return None
    return next((name for name, fits in _CANDIDATES if all(map(fits, distinct))), "VARCHAR")


def merge(one: str | None, other: str | None) -> str | None:
    """Return the narrowest type for texts of both."""
    kinds = {kind for kind in (one, other) if kind}
    if len(kinds) < 2:  # noqa: PLR2004 - at most one kind is known
        return kinds.pop() if kinds else None
    return next((wide for wide, narrow in _WIDER if kinds == {wide, narrow}), "VARCHAR")


def _is_boolean(text: str) -> bool:
    return text.lower() in _BOOLEANS


def _is_bigint(text: str) -> bool:
    match = _WHOLE.fullmatch(text)
    return match is not None and _MIN_BIGINT <= int(match[0]) <= _MAX_BIGINT


def _is_whole(text: str) -> bool:
    match = _WHOLE.fullmatch(text)
    return match is not None and len(match[2]) <= _MAX_DIGITS


def _is_real(text: str) -> bool:
    # A number too long for any whole type is an identifier, whose digits all matter.
    return _REAL.fullmatch(text) is not None and (_is_whole(text) or not _WHOLE.fullmatch(text))


def _is_time(text: str) -> bool:
    return _TIME_OF_DAY.fullmatch(text) is not None


def _is_date(text: str) -> bool:
    match = _DAY.fullmatch(text)
    return match is not None and _exists(match)


def _is_moment(text: str) -> bool:
    match = _MOMENT.fullmatch(text)
    return match is not None and _exists(match) and match[5] is None


def _is_zoned_moment(text: str) -> bool:
    match = _MOMENT.fullmatch(text)
    return match is not None and _exists(match)


def _exists(match: re.Match[str]) -> bool:
    try:
        date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return False
    return True


_CANDIDATES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("BOOLEAN", _is_boolean),
    ("BIGINT", _is_bigint),
    ("DECIMAL(38,0)", _is_whole),
    ("DOUBLE", _is_real),
    ("TIME", _is_time),
    ("DATE", _is_date),
    ("TIMESTAMP", _is_moment),
    ("TIMESTAMP WITH TIME ZONE", _is_zoned_moment),
)
_WIDER = (
    ("DECIMAL(38,0)", "BIGINT"),
    ("DOUBLE", "BIGINT"),
    ("DOUBLE", "DECIMAL(38,0)"),
    ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"),
)
