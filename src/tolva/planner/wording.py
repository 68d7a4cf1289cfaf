"""DuckDB's words in words for people: of types that don't fit both sides and what would, of files what to do."""

from __future__ import annotations

import re

_NO_MATCH = re.compile(
    r"^No function matches the given name and argument types '(?P<name>.+?)\((?P<types>.*)\)'\..*?"
    r"(?:Candidate functions:(?P<candidates>.*))?$",
    re.DOTALL,
)
_CANDIDATE = re.compile(r"\((.*)\) ->")
_NAMED = re.compile(r'^(?:"[^"]*"|\w+) (?=[A-Z])')
_FILE = re.compile(r'^Cannot access file "(?P<file>.*)" - file system operations are disabled by configuration$')
_LITERAL_TYPES = {"INTEGER_LITERAL": "INTEGER", "STRING_LITERAL": "VARCHAR"}
_OPERATORS = {"~~": "LIKE", "!~~": "NOT LIKE", "~~*": "ILIKE", "!~~*": "NOT ILIKE", "~~~": "GLOB"}
_BOTH_SIDES = 2
_SHOWN_MAX = 6


def plain(message: str) -> str:
    """Return the message; about types that don't fit, and about files, in plainer words and with what would do."""
    for theirs, ours in _LITERAL_TYPES.items():
        message = message.replace(theirs, ours)
    if (file := _FILE.match(message)) is not None:
        return (
            f"{file['file']} is none of the job's tables, and a query opens no files. Make it one, as in tables: "
            f"{{t: {{files: {file['file']!r}}}}}, and ask FROM t."
        )
    found = _NO_MATCH.match(message)
    if found is None:
        return message.replace(" - an explicit cast is required", ". Cast one of them, as in CAST(x AS VARCHAR).")
    name, types = found["name"], _split(found["types"])
    if not name.replace("_", "").isalnum():
        name = _OPERATORS.get(name, name)
        what = f"{types[0]} {name} {types[1]}" if len(types) == _BOTH_SIDES else f"{name} {' '.join(types)}"
        others = [t for t in types if t != "VARCHAR"]
        wanted = others[0] if len(others) < len(types) and name not in _OPERATORS.values() else "VARCHAR"
        how = f", as in CAST(x AS {wanted})" if len(others) < len(types) else " to a type that does"
        return f"{what}: these types don't fit. Cast one side{how}."
    text = f"{name}() doesn't take ({', '.join(types)})."
    fitting = list(dict.fromkeys(f"{name}({one})" for one in _candidates(found["candidates"] or "")))
    if fitting:
        more = " and others" if len(fitting) > _SHOWN_MAX else ""
        text += f" It takes {', '.join(fitting[:_SHOWN_MAX])}{more}. Cast what doesn't fit, as in CAST(x AS TYPE)."
    return text


def _candidates(text: str) -> list[str]:
    """Return the types that each function on offer takes."""
    found = (_CANDIDATE.search(line) for line in text.splitlines())
    return [", ".join(_NAMED.sub("", part) for part in _split(one[1]) if part != "/") for one in found if one]


def _split(types: str) -> list[str]:
    """Split a list of types at its commas, those within brackets excepted."""
    parts, depth = [""], 0
    for char in types:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]
